// SPDX-License-Identifier: GPL-2.0

//! The functions behind the hooks that ftrace calls.
//!
//! All of them run where only one processor changes text: under `ftrace_lock` while the site is
//! not in use yet, or with all processors stopped.

use super::{
    site::{
        Content,
        Layout,
        OutOfReach,
        State,
        Store,
        MAX_WORDS, //
    },
    stats::STATS,
    text::{
        self,
        Fault,
        Machine,
        Refusal, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    fmt,
    num::casts::arch::usize_as_u32,
    page::PAGE_MASK,
    prelude::*,
    stop_machine::stop_machine,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr, //
};

/// What the backend needs to know of an architecture.
pub trait Arch: Machine {
    /// Name for messages.
    const NAME: &'static str;

    /// How processors are synchronised, for messages.
    const SYNC: &'static str;

    /// Layout of the call of the tracer within `ftrace_caller`; always [`State::On`].
    const FUNC_CALL: Layout;

    /// Layout of the jump to the graph tracer within `ftrace_caller`.
    const GRAPH_JUMP: Layout;

    /// The layouts that sites have.
    const LAYOUTS: &'static [&'static Layout];

    /// Returns the layout of the site at `ip`, one of [`LAYOUTS`](Self::LAYOUTS).
    fn layout(ip: usize) -> &'static Layout;

    /// Returns what the site of `rec` was compiled to call: the profiling function.
    fn mcount(rec: &dyn_ftrace) -> u32;

    /// Returns whether the site of `rec`, compiled to call `target`, calls the profiling function.
    fn is_mcount(rec: &dyn_ftrace, target: u32) -> bool {
        target == Self::mcount(rec)
    }

    /// Returns what the site of `rec` must call to get to `address`: that, or a trampoline.
    fn target(rec: &dyn_ftrace, address: usize) -> u32;
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        fault.reason
    }
}

impl From<OutOfReach> for Refusal {
    fn from(_: OutOfReach) -> Self {
        Refusal::Unsuitable
    }
}

/// Changes the text of `sites` sites: the one function through which all changes go.
///
/// # Safety
///
/// That of [`text::apply`].
unsafe fn modify_code<A: Arch>(stores: &[Option<Store>], sites: usize) -> Result<(), Fault> {
    // SAFETY: By the safety requirements.
    let result = unsafe { text::apply::<A>(stores) };
    STATS.count(result.map(|()| sites).map_err(|fault| fault.reason));
    result
}

/// Turns `from` into `to` in the site at `ip` by one store, or by none if they are the same.
fn change<A: Arch>(layout: &Layout, ip: usize, from: Content, to: Content) -> Result<(), Refusal> {
    let store = layout
        .store(usize_as_u32(ip), from, to)
        .inspect_err(|_| STATS.count(Err(Refusal::Unsuitable)))?;
    // SAFETY: ftrace calls the hooks one at a time, and nobody else changes call sites. There is
    // only one store.
    Ok(unsafe { modify_code::<A>(&[store], store.iter().count()) }?)
}

/// Returns what C takes for `result`, and tells `ftrace_bug()` what was expected.
fn report(result: Result<(), Refusal>) -> c_int {
    static EXPECTED: Atomic<u32> = Atomic::new(0);

    let (error, expected) = match result {
        Ok(()) => return 0,
        Err(Refusal::Unexpected(insn)) => {
            EXPECTED.store(insn, Relaxed);
            (EINVAL, EXPECTED.as_ptr().cast_const().cast())
        }
        Err(Refusal::Unsuitable) => (EINVAL, ptr::null()),
        Err(Refusal::Unreadable) => (EFAULT, ptr::null()),
        Err(Refusal::Unwritable) => (EPERM, ptr::null()),
    };
    // SAFETY: Like `ftrace_bug()`, which reads it next, the hooks run one at a time. What it
    // points to is static.
    unsafe { bindings::ftrace_expected = expected };
    error.to_errno()
}

const fn content(state: State, target: u32) -> Content {
    Content { state, target }
}

/// Returns what the site of `rec` holds when it is off. The part of a target that it may hold is
/// that of `ftrace_caller`, whatever it calls when it is on.
fn off<A: Arch>(rec: &dyn_ftrace) -> Content {
    let entry = bindings::ftrace_caller as *const () as usize;
    content(State::Off, A::target(rec, entry))
}

fn read_site(layout: &Layout, ip: usize) -> Result<[u32; MAX_WORDS], Refusal> {
    let mut words = [0; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        *insn = text::read(word.address(usize_as_u32(ip)), layout.unit)?;
    }
    Ok(words)
}

/// Returns why the site at `ip`, which holds `words`, is refused: it does not call `mcount` as the
/// compiler does. Logs what it should hold, since `ftrace_bug()` shows the word at `ip` alone.
fn explain(layout: &Layout, ip: u32, words: &[u32; MAX_WORDS], mcount: u32) -> Refusal {
    let Layout {
        name, words: table, ..
    } = layout;
    let found = words.get(..table.len()).unwrap_or_default();
    let Ok(compiled) = layout.encode(ip, content(State::Compiled, mcount)) else {
        pr_err!("ftrace: {ip:#x}: {found:08x?} is not a compiled {name} site\n");
        return Refusal::Unsuitable;
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
    at_ip.map_or(Refusal::Unsuitable, |(_, insn)| Refusal::Unexpected(insn))
}

/// `ftrace_init_nop()`: turns the site of `rec` off and makes all its words but one constant.
///
/// `module` is the module that the site is in, null for the kernel.
///
/// # Safety
///
/// `module` is null or valid. Nothing executes the site until the function returns.
pub unsafe fn init_nop<A: Arch>(module: *const bindings::module, rec: &dyn_ftrace) -> c_int {
    let init = || {
        let (ip, layout) = (usize_as_u32(rec.ip), A::layout(rec.ip));
        // The table is the module's. ftrace itself looks at that of the kernel.
        // SAFETY: By the safety requirements.
        if !module.is_null() && !unsafe { bindings::within_module_text(rec.ip, module) } {
            pr_err!("ftrace: {ip:#x} is not in the module's text\n");
            return Err(Refusal::Unsuitable);
        }
        let words = read_site(layout, rec.ip)?;
        let target = layout
            .decode(ip, &words, State::Compiled)
            .filter(|target| A::is_mcount(rec, *target));
        let Some(target) = target else {
            return Err(explain(layout, ip, &words, A::mcount(rec)));
        };
        let stores = layout.stores(ip, content(State::Compiled, target), off::<A>(rec))?;
        Ok(stores)
    };
    report(match init() {
        // SAFETY: ftrace calls the hooks one at a time, and nobody else changes call sites.
        // Nothing executes this one by the safety requirements.
        Ok(stores) => unsafe { modify_code::<A>(&stores, 1) }.map_err(Refusal::from),
        Err(refusal) => {
            STATS.count(Err(refusal));
            Err(refusal)
        }
    })
}

/// `ftrace_make_nop()`: turns the site of `rec`, which calls `address`, off.
pub fn make_nop<A: Arch>(rec: &dyn_ftrace, address: usize) -> c_int {
    report(change::<A>(
        A::layout(rec.ip),
        rec.ip,
        content(State::On, A::target(rec, address)),
        off::<A>(rec),
    ))
}

/// `ftrace_make_call()`: makes the site of `rec`, which is off, call `address`.
pub fn make_call<A: Arch>(rec: &dyn_ftrace, address: usize) -> c_int {
    report(change::<A>(
        A::layout(rec.ip),
        rec.ip,
        off::<A>(rec),
        content(State::On, A::target(rec, address)),
    ))
}

/// `ftrace_modify_call()`: makes the site of `rec`, which calls `old`, call `new`.
pub fn modify_call<A: Arch>(rec: &dyn_ftrace, old: usize, new: usize) -> c_int {
    report(change::<A>(
        A::layout(rec.ip),
        rec.ip,
        content(State::On, A::target(rec, old)),
        content(State::On, A::target(rec, new)),
    ))
}

/// Changes of sites in one page, at most one store for each.
struct Batch {
    stores: [Option<Store>; Self::SIZE],
    records: [*mut dyn_ftrace; Self::SIZE],
    len: usize,
}

impl Batch {
    const SIZE: usize = 32;

    const EMPTY: Self = Self {
        stores: [None; Self::SIZE],
        records: [ptr::null_mut(); Self::SIZE],
        len: 0,
    };

    /// Adds a change if it fits in with the others.
    fn add(&mut self, record: *mut dyn_ftrace, store: Option<Store>) -> bool {
        let mut first = self.stores.iter().flatten().zip(&store);
        let one_page = |(a, b): (&Store, &Store)| (a.address ^ b.address) as usize & PAGE_MASK == 0;
        if !first.next().is_none_or(one_page) {
            return false;
        }
        let free = self
            .stores
            .get_mut(self.len)
            .zip(self.records.get_mut(self.len));
        if let Some((to, of)) = free {
            (*to, *of) = (store, record);
            self.len = self.len.wrapping_add(1);
            return true;
        }
        false
    }

    fn records(&self) -> impl Iterator<Item = *mut dyn_ftrace> {
        self.records.into_iter().take(self.len)
    }

    /// Does all changes or none.
    fn apply<A: Arch>(&self) -> Result<(), Failure> {
        let sites = self.stores.iter().flatten().count();
        // SAFETY: ftrace calls the hooks one at a time, and nobody else changes call sites. There
        // is one store for each site.
        unsafe { modify_code::<A>(&self.stores, sites) }.map_err(|fault| {
            let is_faulty =
                |store: &Option<Store>| store.is_some_and(|s| s.address == fault.address);
            let mut changes = self.stores.iter().zip(self.records());
            let faulty = changes.find(|(store, _)| is_faulty(store));
            let record = faulty.map_or(ptr::null_mut(), |(_, record)| record);
            (record, fault.reason)
        })
    }
}

/// The record of a site that cannot be changed, and why.
type Failure = (*mut dyn_ftrace, Refusal);

/// Returns the store that makes a site what ftrace wants it to be, `Some(None)` if that takes none,
/// [`None`] if there is nothing to change.
///
/// # Safety
///
/// `record` is a record of ftrace, which does not change meanwhile.
unsafe fn plan<A: Arch>(
    record: *mut dyn_ftrace,
    enable: bool,
) -> Result<Option<Option<Store>>, Refusal> {
    // SAFETY: By the safety requirements.
    let update = unsafe { bindings::ftrace_test_record(record, enable) };
    // SAFETY: By the safety requirements.
    let old = || unsafe { bindings::ftrace_get_addr_curr(record) };
    // SAFETY: By the safety requirements.
    let new = || unsafe { bindings::ftrace_get_addr_new(record) };
    // SAFETY: By the safety requirements.
    let rec = unsafe { &*record };
    let on = |address| content(State::On, A::target(rec, address));

    let (from, to) = match update.cast_unsigned() {
        bindings::FTRACE_UPDATE_IGNORE => return Ok(None),
        bindings::FTRACE_UPDATE_MAKE_CALL => (off::<A>(rec), on(new())),
        bindings::FTRACE_UPDATE_MAKE_NOP => (on(old()), off::<A>(rec)),
        bindings::FTRACE_UPDATE_MODIFY_CALL => (on(old()), on(new())),
        _ => return Err(Refusal::Unsuitable),
    };
    let store = A::layout(rec.ip).store(usize_as_u32(rec.ip), from, to)?;
    Ok(Some(store))
}

/// Makes all sites what ftrace wants them to be.
fn replace_all<A: Arch>(enable: bool) -> Result<(), Failure> {
    let flush = |batch: &mut Batch| {
        batch.apply::<A>()?;
        for record in batch.records() {
            // SAFETY: It is a record of ftrace.
            unsafe { bindings::ftrace_update_record(record, enable) };
        }
        *batch = Batch::EMPTY;
        Ok(())
    };

    let mut batch = Batch::EMPTY;
    // SAFETY: Where text is changed, records do not come and go.
    let mut iter = unsafe { bindings::ftrace_rec_iter_start() };
    while !iter.is_null() {
        // SAFETY: `iter` is valid.
        let record = unsafe { bindings::ftrace_rec_iter_record(iter) };
        // SAFETY: Only we use records now.
        let store = unsafe { plan::<A>(record, enable) }.map_err(|refusal| {
            STATS.count(Err(refusal));
            (record, refusal)
        })?;
        if let Some(store) = store {
            if !batch.add(record, store) {
                flush(&mut batch)?;
                batch.add(record, store);
            }
        }
        // SAFETY: `iter` is valid.
        iter = unsafe { bindings::ftrace_rec_iter_next(iter) };
    }
    flush(&mut batch)
}

/// `ftrace_replace_code()`: turns sites on or off as their records ask for, all of them off unless
/// `enable` is set.
pub fn replace_code<A: Arch>(enable: bool) {
    if let Err((record, refusal)) = replace_all::<A>(enable) {
        // SAFETY: `record` is a record of ftrace.
        unsafe { bindings::ftrace_bug(report(Err(refusal)), record) };
    }
}

/// `ftrace_update_ftrace_func()` for one call: makes the call of a tracer at `ip` call `func`.
pub fn update_func_call<A: Arch>(ip: usize, func: usize) -> c_int {
    let update = || {
        let old = A::FUNC_CALL
            .decode(usize_as_u32(ip), &read_site(&A::FUNC_CALL, ip)?, State::On)
            .ok_or(Refusal::Unsuitable)?;
        let new = usize_as_u32(func);
        if old == new {
            return Ok(());
        }
        change::<A>(
            &A::FUNC_CALL,
            ip,
            content(State::On, old),
            content(State::On, new),
        )
    };
    report(update())
}

/// `ftrace_enable_ftrace_graph_caller()` and its opposite for one jump: makes the jump at `ip` to
/// `target` be there or not.
pub fn set_graph_jump<A: Arch>(ip: usize, target: usize, on: bool) -> c_int {
    let (from, to) = if on {
        (State::Off, State::On)
    } else {
        (State::On, State::Off)
    };
    let target = usize_as_u32(target);
    report(change::<A>(
        &A::GRAPH_JUMP,
        ip,
        content(from, target),
        content(to, target),
    ))
}

/// `arch_ftrace_update_code()`: does `command` with all processors stopped.
pub fn update_code<A: Arch>(command: c_int) {
    let result = stop_machine(
        |_| {
            // SAFETY: May be called from any context.
            let start = unsafe { bindings::ktime_get_mono_fast_ns() };
            // SAFETY: This is called from `arch_ftrace_update_code()`, for which it is meant.
            unsafe { bindings::ftrace_modify_all_code(command) };
            // SAFETY: As above.
            let end = unsafe { bindings::ktime_get_mono_fast_ns() };
            STATS.stopped(end.saturating_sub(start));
        },
        A::synchronise,
    );
    if let Err(error) = result {
        pr_err!("ftrace: the processors cannot be stopped: {error:?}\n");
    }
}

/// Returns whether returns may not be hooked: for the current task, or any more at all.
#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
pub fn graph_is_off() -> bool {
    // SAFETY: May be called from any context.
    if unsafe { bindings::ftrace_graph_is_dead() } {
        return true;
    }
    // SAFETY: The current task is valid, and only it and its interrupts change the counter.
    unsafe {
        (&raw const (*bindings::get_current()).tracing_graph_pause.counter).read_volatile() != 0
    }
}

/// Makes the function that is traced at `ip` return to `return_to_handler`.
///
/// `return_address` is where its return address will be read from. `frame_pointer` is what the
/// architecture compares when the function returns.
///
/// # Safety
///
/// Called on entry of a function, of whose caller `return_address` is.
#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
pub unsafe fn hook_return(return_address: &mut usize, ip: usize, frame_pointer: usize) {
    // SAFETY: By the safety requirements. Both pointers may be null.
    let ret = unsafe {
        bindings::function_graph_enter_regs(
            *return_address,
            ip,
            frame_pointer,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if ret == 0 {
        *return_address = bindings::return_to_handler as *const () as usize;
    }
}

/// Numbers of call sites by what their words in memory are.
#[derive(Default)]
pub struct Census {
    /// Sites that are off.
    pub off: usize,
    /// Sites that are on.
    pub on: usize,
    /// Sites whose words fit neither.
    pub odd: usize,
}

impl Census {
    /// Returns the number of all sites.
    pub fn known(&self) -> usize {
        self.off.wrapping_add(self.on).wrapping_add(self.odd)
    }
}

/// What the backend says of itself at boot.
pub struct Banner<A>(pub PhantomData<A>);

impl<A: Arch> fmt::Display for Banner<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", A::NAME)?;
        for layout in A::LAYOUTS {
            write!(f, " {}", layout.name)?;
        }
        write!(f, ", {}, {} sites", A::SYNC, census::<A>().known())
    }
}

/// Reads all call sites.
pub fn census<A: Arch>() -> Census {
    /// # Safety
    ///
    /// `rec` is a record of ftrace, `data` points to a [`Census`].
    unsafe extern "C" fn count<A: Arch>(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements.
        let ip = unsafe { (*rec).ip };
        // SAFETY: By the safety requirements.
        let census = unsafe { &mut *data.cast::<Census>() };

        let layout = A::layout(ip);
        let is = |state| {
            read_site(layout, ip)
                .ok()
                .and_then(|words| layout.decode(usize_as_u32(ip), &words, state))
                .is_some()
        };
        let number = if is(State::Off) {
            &mut census.off
        } else if is(State::On) {
            &mut census.on
        } else {
            &mut census.odd
        };
        *number = number.wrapping_add(1);
        0
    }

    let mut census = Census::default();
    // SAFETY: `count` takes a `Census`. The callee does not keep it.
    unsafe { bindings::ftrace_walk_records(Some(count::<A>), (&raw mut census).cast()) };
    census
}
