// SPDX-License-Identifier: GPL-2.0

//! The hooks that change one site.
//!
//! ftrace promises that `ftrace_lock` is held ([`Locked`](super::text::Locked)) and that no other
//! CPU executes the site ([`Exclusive`]).

use super::{
    arch::Arch,
    patch::{
        modify_code,
        modify_record,
        modify_site,
        off,
        read_site,
        report, //
    },
    site::{
        Layout,
        SiteState,
        State,
        Stores,
        MAX_WORDS, //
    },
    stats::STATS,
    text::{
        Exclusive,
        PatchError, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    num::casts::arch::usize_as_u32,
    prelude::*, //
};

/// `ftrace_init_nop()`: turns the site of `rec` off and makes all its words but one constant.
///
/// `module` is the module that the site is in, null for the kernel.
///
/// # Safety
///
/// `module` is null or valid. `rec` is a record of ftrace, of a site in the kernel or in `module`.
pub unsafe fn init_nop<A: Arch>(
    exclusive: &Exclusive<'_>,
    module: *const bindings::module,
    rec: &dyn_ftrace,
) -> c_int {
    let refuse = |error: PatchError| {
        STATS.count(Err(error));
        error
    };
    let init = || {
        let (ip, layout) = (usize_as_u32(rec.ip), A::layout(rec.ip));
        // The record comes from a table of the module. ftrace itself checks the kernel's table.
        // SAFETY: By the safety requirements.
        if !module.is_null() && !unsafe { bindings::within_module_text(rec.ip, module) } {
            pr_err!("ftrace: {ip:#x} is not in the module's text\n");
            return Err(refuse(PatchError::UnknownSite));
        }
        // SAFETY: By the safety requirements, it is the address of a record.
        let words = unsafe { read_site(layout, rec.ip) }.map_err(refuse)?;
        let target = layout.decode(ip, &words, State::Compiled);
        if !target.is_some_and(|target| A::is_mcount(rec, target)) {
            return Err(refuse(explain(layout, ip, &words, A::mcount(rec))));
        }
        let mut stores = Stores::new(layout.width);
        stores
            .add_found(layout, ip, &words, off::<A>(rec))
            .map_err(|error| refuse(error.into()))?;
        // SAFETY: The words are those of a call site. Nothing has executed it yet: it is as the
        // compiler left it.
        unsafe { modify_code::<A>(exclusive, stores.width(), &stores) }?;
        Ok(())
    };
    report(exclusive.locked(), init())
}

/// Returns the error for the site at `ip`: its `words` do not call `mcount` as the compiler does.
///
/// Logs all words that were expected. `ftrace_bug()` shows the word at `ip` alone.
#[cold]
fn explain(layout: &Layout, ip: u32, words: &[u32; MAX_WORDS], mcount: u32) -> PatchError {
    let Layout {
        name, words: table, ..
    } = layout;
    let found = words.get(..table.len()).unwrap_or_default();
    let Ok(compiled) = layout.encode(ip, SiteState::new(State::Compiled, mcount)) else {
        pr_err!("ftrace: {ip:#x}: {found:08x?} is not a compiled {name} site\n");
        return PatchError::UnknownSite;
    };
    let mut expected = *words;
    for (word, insn) in expected.iter_mut().zip(compiled) {
        *word = insn.unwrap_or(*word);
    }
    pr_err!(
        "ftrace: {ip:#x}: {found:08x?} is not a compiled {name} site, which is {:08x?}\n",
        expected.get(..table.len()).unwrap_or_default()
    );
    let mut sites = table.iter().zip(expected);
    let at_ip = sites.find(|(word, _)| word.offset == 0);
    at_ip.map_or(PatchError::UnknownSite, |(_, insn)| {
        PatchError::Unexpected(insn)
    })
}

/// `ftrace_make_nop()`: turns the site of `rec`, which calls `address`, off.
///
/// # Safety
///
/// `rec` is a record of ftrace, and ftrace asks for this change.
pub unsafe fn make_nop<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    address: usize,
) -> c_int {
    let on = SiteState::new(State::On, A::target(rec, address));
    // SAFETY: By the safety requirements.
    let result = unsafe { modify_record::<A>(exclusive, rec, on, off::<A>(rec)) };
    report(exclusive.locked(), result)
}

/// `ftrace_make_call()`: makes the site of `rec`, which is off, call `address`.
///
/// # Safety
///
/// As for [`make_nop`].
pub unsafe fn make_call<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    address: usize,
) -> c_int {
    let on = SiteState::new(State::On, A::target(rec, address));
    // SAFETY: By the safety requirements.
    let result = unsafe { modify_record::<A>(exclusive, rec, off::<A>(rec), on) };
    report(exclusive.locked(), result)
}

/// `ftrace_modify_call()`: makes the site of `rec`, which calls `old`, call `new`.
///
/// # Safety
///
/// As for [`make_nop`].
pub unsafe fn modify_call<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    old: usize,
    new: usize,
) -> c_int {
    let [from, to] = [old, new].map(|address| SiteState::new(State::On, A::target(rec, address)));
    // SAFETY: By the safety requirements.
    let result = unsafe { modify_record::<A>(exclusive, rec, from, to) };
    report(exclusive.locked(), result)
}

/// `ftrace_update_ftrace_func()`: makes the entries call `func`.
///
/// # Safety
///
/// `func` is a tracer.
pub unsafe fn update_func<A: Arch>(exclusive: &Exclusive<'_>, func: usize) -> c_int {
    for call in A::FUNC_CALLS {
        // SAFETY: By the safety requirements of `Arch`, an entry calls a tracer there. `func` is
        // one.
        let error = unsafe { update_func_call::<A>(exclusive, *call as usize, func) };
        if error != 0 {
            return error;
        }
    }
    0
}

/// Makes the call of a tracer at `ip` call `func`.
///
/// # Safety
///
/// `ip` is where an entry calls a tracer, and `func` is one.
unsafe fn update_func_call<A: Arch>(exclusive: &Exclusive<'_>, ip: usize, func: usize) -> c_int {
    let update = || {
        // SAFETY: By the safety requirements, `ip` is in an entry.
        let words = unsafe { read_site(&A::FUNC_CALL, ip) }?;
        let old = A::FUNC_CALL
            .decode(usize_as_u32(ip), &words, State::On)
            .ok_or(PatchError::UnknownSite)?;
        let new = usize_as_u32(func);
        if old == new {
            return Ok(());
        }
        let [from, to] = [old, new].map(|target| SiteState::new(State::On, target));
        // SAFETY: By the safety requirements.
        unsafe { modify_site::<A>(exclusive, &A::FUNC_CALL, ip, from, to) }
    };
    report(exclusive.locked(), update())
}
