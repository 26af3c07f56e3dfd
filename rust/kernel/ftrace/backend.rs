// SPDX-License-Identifier: GPL-2.0

//! The functions behind the hooks that ftrace calls.
//!
//! A hook takes over from ftrace that `ftrace_lock` is held ([`Locked`]), and that no other CPU
//! executes the site ([`Exclusive`]).

use super::{
    site::{
        self,
        Content,
        Layout,
        OutOfReach,
        State,
        Store,
        Stores,
        Transition,
        Unit,
        MAX_WORDS, //
    },
    stats::STATS,
    text::{
        self,
        Exclusive,
        Fault,
        Locked,
        Machine,
        Refusal, //
    }, //
};
use crate::{
    bindings::dyn_ftrace,
    ffi::c_int,
    fmt,
    num::casts::arch::usize_as_u32,
    page::PAGE_SIZE,
    prelude::*,
    stop_machine::stop_machine,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use core::{
    iter,
    marker::PhantomData,
    ops::Range,
    ptr,
    slice, //
};

/// What the backend needs to know of an architecture.
///
/// # Safety
///
/// The answers decide what is written to text:
///
/// - [`layout`](Self::layout) returns the layout of what the compiler emitted at the site, the same
///   for as long as the site exists.
/// - [`target`](Self::target) returns an address to which control can go from the site in the way
///   of its layout, and from where it gets to what was asked for.
pub unsafe trait Arch: Machine + Sized + 'static {
    /// Name for messages.
    const NAME: &'static str;

    /// How CPUs are synchronised, for messages.
    const SYNC: &'static str;

    /// Layout of the call of the tracer within `ftrace_caller`; always [`State::On`].
    const FUNC_CALL: Layout;

    /// The layouts that sites have, all of one unit.
    const LAYOUTS: &'static [&'static Layout];

    /// What is written to change a site.
    const UNIT: Unit = site::common_unit(Self::LAYOUTS);

    /// Returns the layout of the site at `ip`, one of [`LAYOUTS`](Self::LAYOUTS).
    fn layout(ip: usize) -> &'static Layout;

    /// Returns what the site of `rec` was compiled to call: the profiling function.
    fn mcount(rec: &dyn_ftrace) -> u32;

    /// Returns whether the site of `rec`, compiled to call `target`, calls the profiling function.
    fn is_mcount(rec: &dyn_ftrace, target: u32) -> bool {
        target == Self::mcount(rec)
    }

    /// Returns what the site of `rec` must call to get to `address`: that, or a trampoline.
    ///
    /// All sites between `_stext` and `_etext` call the same to get to an address that is within
    /// their reach, unless their layout splits the target or they [keep](Layout::keeps_target) it.
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

/// Changes text, as [`text::apply`] does: the one function through which all changes go.
///
/// # Safety
///
/// That of [`text::apply`].
pub(super) unsafe fn modify_code<M: Machine>(
    exclusive: &Exclusive<'_>,
    unit: Unit,
    stores: &[Store],
) -> Result<usize, Fault> {
    // SAFETY: By the safety requirements.
    let result = unsafe { text::apply::<M>(exclusive, unit, stores) };
    STATS.count(result.map_err(|fault| fault.reason));
    result
}

/// Turns `from` into `to` in the site at `ip` by one store, or by none if they are the same.
///
/// # Safety
///
/// `ip` is the address of a call site, an entry or a trampoline with this layout, and `to` is what
/// ftrace asked for.
pub(super) unsafe fn change<M: Machine>(
    exclusive: &Exclusive<'_>,
    layout: &Layout,
    ip: usize,
    from: Content,
    to: Content,
) -> Result<(), Refusal> {
    let store = layout
        .store(usize_as_u32(ip), from, to)
        .inspect_err(|_| STATS.count(Err(Refusal::Unsuitable)))?;
    // SAFETY: By the safety requirements. There is only one store.
    unsafe { modify_code::<M>(exclusive, layout.unit, store.as_slice()) }?;
    Ok(())
}

/// Returns what C takes for `result`, and tells `ftrace_bug()` what was expected.
pub(super) fn report(_locked: &Locked, result: Result<(), Refusal>) -> c_int {
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
    // SAFETY: By the invariants of `Locked`, nobody else uses it: `ftrace_bug()`, which reads it
    // next, is called with `ftrace_lock` held too. What it points to is static.
    unsafe { bindings::ftrace_expected = expected };
    error.to_errno()
}

pub(super) const fn content(state: State, target: u32) -> Content {
    Content { state, target }
}

/// Returns what the site of `rec` holds when it is off. The part of a target that it may hold is
/// that of `ftrace_caller`, whatever it calls when it is on.
fn off<A: Arch>(rec: &dyn_ftrace) -> Content {
    let entry = bindings::ftrace_caller as *const () as usize;
    content(State::Off, A::target(rec, entry))
}

/// Reads the words of the site at `ip`.
///
/// # Safety
///
/// `ip` is an address at which text can lie: that of a record, of an entry or of a trampoline. It
/// need not be mapped.
#[inline]
pub(super) unsafe fn read_site(layout: &Layout, ip: usize) -> Result<[u32; MAX_WORDS], Refusal> {
    let mut words = [0; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        // SAFETY: By the safety requirements. Loads from text have no side effects.
        *insn = unsafe { text::read(word.address(usize_as_u32(ip)), layout.unit) }?;
    }
    Ok(words)
}

/// Returns what the site at `ip` calls or would call, [`None`] if it is not in `state`.
///
/// # Safety
///
/// As for [`read_site`].
unsafe fn target_in(layout: &Layout, ip: usize, state: State) -> Option<u32> {
    // SAFETY: By the safety requirements.
    let words = unsafe { read_site(layout, ip) }.ok()?;
    layout.decode(usize_as_u32(ip), &words, state)
}

/// Returns why the site at `ip`, which holds `words`, is refused: it does not call `mcount` as the
/// compiler does. Logs what it should hold, since `ftrace_bug()` shows the word at `ip` alone.
#[cold]
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
/// `module` is null or valid. `rec` is a record of ftrace, of a site in the kernel or in `module`.
pub unsafe fn init_nop<A: Arch>(
    exclusive: &Exclusive<'_>,
    module: *const bindings::module,
    rec: &dyn_ftrace,
) -> c_int {
    let refuse = |refusal: Refusal| {
        STATS.count(Err(refusal));
        refusal
    };
    let init = || {
        let (ip, layout) = (usize_as_u32(rec.ip), A::layout(rec.ip));
        // The table is the module's. ftrace itself looks at that of the kernel.
        // SAFETY: By the safety requirements.
        if !module.is_null() && !unsafe { bindings::within_module_text(rec.ip, module) } {
            pr_err!("ftrace: {ip:#x} is not in the module's text\n");
            return Err(refuse(Refusal::Unsuitable));
        }
        // SAFETY: By the safety requirements, it is the address of a record.
        let words = unsafe { read_site(layout, rec.ip) }.map_err(refuse)?;
        let target = layout.decode(ip, &words, State::Compiled);
        if !target.is_some_and(|target| A::is_mcount(rec, target)) {
            return Err(refuse(explain(layout, ip, &words, A::mcount(rec))));
        }
        let mut stores = Stores::new(layout.unit);
        stores
            .add_found(layout, ip, &words, off::<A>(rec))
            .map_err(|error| refuse(error.into()))?;
        // SAFETY: The words are those of a call site, which nothing has executed yet: otherwise it
        // would not be as the compiler left it.
        unsafe { modify_code::<A>(exclusive, stores.unit(), &stores) }?;
        Ok(())
    };
    report(exclusive.locked(), init())
}

/// `ftrace_make_nop()`: turns the site of `rec`, which calls `address`, off.
///
/// # Safety
///
/// `rec` is a record of ftrace, which asks for this.
pub unsafe fn make_nop<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    address: usize,
) -> c_int {
    let on = content(State::On, A::target(rec, address));
    // SAFETY: By the safety requirements.
    let result = unsafe { change_record::<A>(exclusive, rec, on, off::<A>(rec)) };
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
    let on = content(State::On, A::target(rec, address));
    // SAFETY: By the safety requirements.
    let result = unsafe { change_record::<A>(exclusive, rec, off::<A>(rec), on) };
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
    let [from, to] = [old, new].map(|address| content(State::On, A::target(rec, address)));
    // SAFETY: By the safety requirements.
    let result = unsafe { change_record::<A>(exclusive, rec, from, to) };
    report(exclusive.locked(), result)
}

/// Turns `from` into `to` in the site of `rec`.
///
/// # Safety
///
/// `rec` is a record of ftrace, and `to` is what ftrace asks for.
unsafe fn change_record<A: Arch>(
    exclusive: &Exclusive<'_>,
    rec: &dyn_ftrace,
    from: Content,
    to: Content,
) -> Result<(), Refusal> {
    // SAFETY: By the safety requirements. The layout is that of the site by those of `Arch`.
    unsafe { change::<A>(exclusive, A::layout(rec.ip), rec.ip, from, to) }
}

/// The record of a site that cannot be changed, and why.
type Failure = (*const dyn_ftrace, Refusal);

/// What ftrace asks for a site: `update` is one of `FTRACE_UPDATE_*`, `old` and `new` are what the
/// site calls before and after, as far as it calls something.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Request {
    update: c_int,
    old: usize,
    new: usize,
}

impl Request {
    /// Returns whether a site that holds `from` before and `to` after calls nothing in place of
    /// what was asked for.
    fn is_met_by(self, from: Content, to: Content) -> bool {
        let is = |content: Content, address| {
            content.state == State::Off || content.target == usize_as_u32(address)
        };
        is(from, self.old) && is(to, self.new)
    }

    /// Returns whether a site is to be turned on.
    fn is_call(self) -> bool {
        self.update.cast_unsigned() == bindings::FTRACE_UPDATE_MAKE_CALL
    }

    /// Returns what the site of `rec` holds before and after.
    fn contents<A: Arch>(self, rec: &dyn_ftrace) -> Result<(Content, Content), Refusal> {
        let on = |address| content(State::On, A::target(rec, address));
        match self.update.cast_unsigned() {
            bindings::FTRACE_UPDATE_MAKE_CALL => Ok((off::<A>(rec), on(self.new))),
            bindings::FTRACE_UPDATE_MAKE_NOP => Ok((on(self.old), off::<A>(rec))),
            bindings::FTRACE_UPDATE_MODIFY_CALL => Ok((on(self.old), on(self.new))),
            _ => Err(Refusal::Unsuitable),
        }
    }

    /// Returns the store that changes the site of `rec`, [`None`] if that takes none, and how the
    /// words of all sites in [`core_text`] change if this one is there and changes as they do.
    #[inline(never)]
    fn store<A: Arch>(
        self,
        rec: &dyn_ftrace,
    ) -> Result<(Option<Store>, Option<Transition>), Refusal> {
        let layout = A::layout(rec.ip);
        let (from, to) = self.contents::<A>(rec)?;
        let store = layout.store(usize_as_u32(rec.ip), from, to)?;
        let is_alike =
            core_text().contains(&rec.ip) && !layout.splits_target() && self.is_met_by(from, to);
        let transition = is_alike.then(|| layout.at_ip(from, to)).flatten();
        Ok((store, transition))
    }
}

/// Returns where the kernel's text is, but for `.init.text`.
fn core_text() -> Range<usize> {
    (&raw const bindings::_stext as usize)..(&raw const bindings::_etext as usize)
}

/// Returns whether an address is in the image of the kernel, `.init.text` included. Modules are
/// elsewhere.
///
/// The addresses are those that the linker gave. What `core_kernel_text()` says of `.init.text`
/// changes before the last change of a site there: when a kprobe that the command line asks for is
/// removed from it.
#[inline]
pub fn is_in_image(address: usize) -> bool {
    let start = &raw const bindings::_stext as usize;
    let end = &raw const bindings::_end as usize;
    (start..end).contains(&address)
}

/// Hands over the records whose sites have to change, in runs that change alike, each in the order
/// of the sites. Updates as many of each run as `f` returns; ends where those are not all.
fn walk_updates<F>(_locked: &Locked, enable: bool, mut f: F)
where
    F: FnMut(&[dyn_ftrace], Request) -> usize,
{
    /// # Safety
    ///
    /// `records` is the first of `number` records of ftrace, `data` points to an `F`.
    unsafe extern "C" fn call<F>(
        records: *mut dyn_ftrace,
        number: usize,
        update: c_int,
        old: usize,
        new: usize,
        data: *mut c_void,
    ) -> usize
    where
        F: FnMut(&[dyn_ftrace], Request) -> usize,
    {
        // SAFETY: By the safety requirements.
        let (records, f) = unsafe {
            (
                slice::from_raw_parts(records, number),
                &mut *data.cast::<F>(),
            )
        };
        f(records, Request { update, old, new })
    }

    // SAFETY: `ftrace_lock` is held by the invariants of `Locked`. `call` takes an `F`, which the
    // callee does not keep.
    unsafe { bindings::ftrace_walk_updates(enable, Some(call::<F>), (&raw mut f).cast()) };
}

/// Stores to sites, one for each, in the order of the records, that is, mostly of their addresses.
///
/// In parts of a page: `vmalloc` memory would be read through the TLB while CPUs are stopped,
/// and all TLBs would have to forget it afterwards.
struct Changes(KVec<Part>);

/// A part of some changes.
struct Part {
    /// Room for the stores of the part.
    stores: KVec<Store>,
    /// Their number.
    len: usize,
}

// SAFETY: All fields are numbers.
unsafe impl Zeroable for Store {}

impl Part {
    /// Number of stores that there is room for.
    const SIZE: usize = PAGE_SIZE / size_of::<Store>();

    fn new() -> Result<Self> {
        Ok(Self {
            stores: KVec::zeroed(Self::SIZE, GFP_KERNEL)?,
            len: 0,
        })
    }

    fn stores(&self) -> &[Store] {
        self.stores.get(..self.len).unwrap_or_default()
    }

    fn free(&mut self) -> &mut [Store] {
        self.stores.get_mut(self.len..).unwrap_or_default()
    }

    /// Adds a store, for which there is room.
    fn push(&mut self, store: Store) {
        if let Some(free) = self.free().first_mut() {
            *free = store;
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Adds `transition` of the first of the sites of `records`, those that can make it, as long
    /// as there is room. Returns their number.
    fn add_alike(&mut self, records: &[dyn_ftrace], transition: &Transition) -> usize {
        let free = self.free();
        let number = free.len().min(records.len());
        let stores = free.get_mut(..number).unwrap_or_default();
        for (store, rec) in stores.iter_mut().zip(records) {
            store.address = usize_as_u32(rec.ip);
        }
        let number = transition.fill(stores);
        self.len = self.len.wrapping_add(number);
        number
    }
}

impl Changes {
    /// Returns a part that has room for one more store.
    fn reserve(&mut self) -> Result<&mut Part> {
        if self.0.last_mut().is_none_or(|part| part.free().is_empty()) {
            self.0.push(Part::new()?, GFP_KERNEL)?;
        }
        self.0.last_mut().ok_or(ENOMEM)
    }

    /// Adds `transition` of the first of the sites of `records`, those in [`core_text`] that can
    /// make it and do not [keep](Layout::keeps_target) their target, as long as there is memory.
    /// Returns their number.
    fn add_alike<A: Arch>(&mut self, records: &[dyn_ftrace], transition: &Transition) -> usize {
        let text = core_text();
        let is_there = records.first().is_some_and(|rec| rec.ip >= text.start);
        let mut number = records.partition_point(|rec| is_there && rec.ip < text.end);
        let layout = A::layout(text.start);
        if layout.may_keep_target() {
            let alike = records.iter().take(number);
            let alike = alike.take_while(|rec| !layout.keeps_target(usize_as_u32(rec.ip)));
            number = alike.count();
        }
        let mut rest = records.get(..number).unwrap_or_default();
        while !rest.is_empty() {
            let part = self.reserve();
            let added = part.map_or(0, |part| part.add_alike(rest, transition));
            if added == 0 {
                break;
            }
            rest = rest.get(added..).unwrap_or_default();
        }
        number.wrapping_sub(rest.len())
    }

    /// Does the changes, up to the first that is refused, all others too if `go_on` is set. `done`
    /// is increased by the number of those that are done.
    ///
    /// # Safety
    ///
    /// They are what ftrace asks for, one store for each site.
    unsafe fn apply<A: Arch>(
        &self,
        exclusive: &Exclusive<'_>,
        go_on: bool,
        done: &mut usize,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        for part in self.0.iter() {
            // SAFETY: By the safety requirements.
            let applied = unsafe { apply_part::<A>(exclusive, part.stores(), go_on, done) };
            result = result.and(applied);
            if result.is_err() && !go_on {
                break;
            }
        }
        result
    }

    /// Takes the first `number` changes back.
    ///
    /// # Safety
    ///
    /// [`apply`](Self::apply) has done them.
    unsafe fn undo<A: Arch>(&self, exclusive: &Exclusive<'_>, number: usize) {
        let stores = self.0.iter().flat_map(|part| part.stores());
        for store in stores.take(number) {
            let back = Store {
                old: store.new,
                new: store.old,
                ..*store
            };
            // If one cannot be taken back, that is counted, and ftrace is about to learn of an
            // error anyway.
            // SAFETY: The word was that of a call site when it was changed. There is one store.
            let _ = unsafe { modify_code::<A>(exclusive, A::UNIT, &[back]) };
        }
    }
}

/// Does a part of some changes, see [`Changes::apply`].
///
/// # Safety
///
/// As for [`Changes::apply`].
unsafe fn apply_part<A: Arch>(
    exclusive: &Exclusive<'_>,
    stores: &[Store],
    go_on: bool,
    done: &mut usize,
) -> Result<(), Failure> {
    let mut change = |stores| {
        // SAFETY: By the safety requirements.
        unsafe { modify_code::<A>(exclusive, A::UNIT, stores) }
            .inspect(|number| *done = done.wrapping_add(*number))
    };
    let mut result = Ok(());
    let mut rest = stores;
    while !rest.is_empty() {
        let fault = match change(rest) {
            Ok(number) => {
                rest = rest.get(number..).unwrap_or_default();
                continue;
            }
            Err(fault) => fault,
        };
        result = result.and(Err(fault));
        if !go_on {
            break;
        }
        // Those ahead of the faulty store may have been refused for its sake alone.
        let mut parts = rest.splitn(2, |store| store.address == fault.address);
        for store in parts.next().unwrap_or_default() {
            let _ = change(slice::from_ref(store));
        }
        rest = parts.next().unwrap_or_default();
    }
    result.map_err(|fault| (record(exclusive.locked(), fault.address), fault.reason))
}

/// The changes that ftrace asks for, made ready while all CPUs still run.
///
/// # Invariants
///
/// - Each store is to the word at the recorded address of a site of ftrace, and is what ftrace asks
///   for there. There is no second one for the site.
/// - The [`Locked`] with which the plan was made exists until it is done: neither records nor sites
///   change in between. The records are those of the sites after the change already.
struct Plan {
    /// Of the sites that are to be turned on.
    calls: Changes,
    /// Of all others.
    others: Changes,
    /// Whether this is all, that is, memory did not run out.
    is_whole: bool,
    /// The first site that cannot be changed.
    failure: Option<Failure>,
    /// What the last site that changed as all in [`core_text`] do was asked for, and its change.
    last: Option<(Request, Transition)>,
}

// SAFETY: The pointer in it is to a record, which is not changed through it.
unsafe impl Sync for Plan {}

impl Plan {
    /// Makes ready what has to change, a part of it if memory runs out.
    fn new<A: Arch>(locked: &Locked, enable: bool) -> Self {
        // INVARIANT: There are no stores yet; `add` adds those that `walk_updates` tells it.
        let mut plan = Self {
            calls: Changes(KVec::new()),
            others: Changes(KVec::new()),
            is_whole: true,
            failure: None,
            last: None,
        };
        walk_updates(locked, enable, |records, request| {
            plan.add::<A>(records, request)
        });
        plan
    }

    /// Adds changes of sites that change alike, as many as there is memory for, and returns their
    /// number.
    fn add<A: Arch>(&mut self, records: &[dyn_ftrace], request: Request) -> usize {
        let mut rest = records;
        loop {
            let changes = if request.is_call() {
                &mut self.calls
            } else {
                &mut self.others
            };
            if let Some((_, transition)) = self.last.filter(|(last, _)| *last == request) {
                let added = changes.add_alike::<A>(rest, &transition);
                rest = rest.get(added..).unwrap_or_default();
            }
            let Some((rec, behind)) = rest.split_first() else {
                break;
            };
            let Ok(part) = changes.reserve() else {
                self.is_whole = false;
                break;
            };
            match request.store::<A>(rec) {
                Ok((store, transition)) => {
                    if let Some(store) = store {
                        part.push(store);
                    }
                    if let Some(transition) = transition {
                        self.last = Some((request, transition));
                    }
                }
                Err(refusal) => {
                    STATS.count(Err(refusal));
                    self.failure.get_or_insert((rec, refusal));
                }
            }
            rest = behind;
        }
        records.len().wrapping_sub(rest.len())
    }

    /// Does the changes. If one is refused, no more sites are turned on; `done` is increased by the
    /// number of those that were.
    fn apply<A: Arch>(
        &self,
        exclusive: &Exclusive<'_>,
        done: &mut usize,
    ) -> Result<(), Failure> {
        // SAFETY: By the type invariants.
        let others = unsafe { self.others.apply::<A>(exclusive, true, &mut 0) };
        others.and(self.failure.map_or(Ok(()), Err))?;
        // SAFETY: By the type invariants.
        unsafe { self.calls.apply::<A>(exclusive, false, done) }
    }
}

/// A plan while its changes are being made.
struct Window<'a> {
    plan: Option<&'a Plan>,
    exclusive: &'a Exclusive<'a>,
}

/// Where `arch_ftrace_update_code()` leaves what `ftrace_replace_code()` finds, which C calls with
/// no argument of ours.
///
/// # Invariants
///
/// Null, or a window that exists until this is null again. It is used only where a [`Locked`]
/// exists.
struct PlanSlot(Atomic<*const Window<'static>>);

/// The plan that is being carried out.
static PLAN: PlanSlot = PlanSlot::new();

impl PlanSlot {
    /// Returns an empty slot.
    const fn new() -> Self {
        // INVARIANT: It is null.
        Self(Atomic::new(ptr::null()))
    }

    /// Calls `f` while the slot has `window`.
    fn with(&self, _locked: &Locked, window: &Window<'_>, f: impl FnOnce()) {
        // INVARIANT: `window` is borrowed until after the slot is null again.
        self.0.store(ptr::from_ref(window).cast(), Relaxed);
        f();
        self.0.store(ptr::null(), Relaxed);
    }

    /// Returns the window that the slot has.
    #[inline]
    fn get<'a>(&self, _locked: &'a Locked) -> Option<&'a Window<'a>> {
        let window: *const Window<'a> = self.0.load(Relaxed).cast();
        // SAFETY: By the type invariants, it is null or exists: the function that `with` calls has
        // not returned, since it is called where text changes, one change after the other.
        unsafe { window.as_ref() }
    }
}

/// Returns the records of all sites.
fn records(_locked: &Locked) -> impl Iterator<Item = *const dyn_ftrace> {
    // SAFETY: By the invariants of `Locked`, records neither come nor go.
    let mut iter = unsafe { bindings::ftrace_rec_iter_start() };
    iter::from_fn(move || {
        if iter.is_null() {
            return None;
        }
        // SAFETY: `iter` is what `ftrace_rec_iter_start()` or `_next()` returned, and not null.
        let record = unsafe { bindings::ftrace_rec_iter_record(iter) };
        // SAFETY: `iter` is still that.
        iter = unsafe { bindings::ftrace_rec_iter_next(iter) };
        Some(record.cast_const())
    })
}

/// Returns the record of the site at `ip`, null if there is none.
fn record(locked: &Locked, ip: u32) -> *const dyn_ftrace {
    // SAFETY: Records are valid by the invariants of `Locked`.
    let is_there = |record: &*const dyn_ftrace| unsafe { (**record).ip } == ip as usize;
    records(locked).find(is_there).unwrap_or(ptr::null())
}

/// Does the changes that are not made yet one at a time, up to the first that is refused.
fn apply_unplanned<A: Arch>(exclusive: &Exclusive<'_>, enable: bool) -> Result<(), Failure> {
    let mut result = Ok(());
    walk_updates(exclusive.locked(), enable, |records, request| {
        for rec in records {
            if result.is_err() {
                break;
            }
            result = request
                .contents::<A>(rec)
                // SAFETY: ftrace asks for this change of one of its records.
                .and_then(|(from, to)| unsafe { change_record::<A>(exclusive, rec, from, to) })
                .map_err(|refusal| (ptr::from_ref(rec), refusal));
        }
        records.len()
    });
    result
}

/// Turns all sites off, whoever traces them.
fn turn_all_off<A: Arch>(exclusive: &Exclusive<'_>) {
    for record in records(exclusive.locked()) {
        // SAFETY: Records are valid by the invariants of `Locked`.
        let rec = unsafe { &*record };
        // SAFETY: It is the address of a record.
        if let Some(target) = unsafe { target_in(A::layout(rec.ip), rec.ip, State::On) } {
            let (from, to) = (content(State::On, target), off::<A>(rec));
            // If one cannot be turned off, that is counted.
            // SAFETY: After an error, ftrace wants no site to be on.
            let _ = unsafe { change_record::<A>(exclusive, rec, from, to) };
        }
    }
}

/// `ftrace_replace_code()`: turns sites on or off as their records ask for, all of them off unless
/// `enable` is set.
///
/// # Safety
///
/// No other CPU executes a site of ftrace until the function returns.
pub unsafe fn replace_code<A: Arch>(locked: &Locked, enable: bool) {
    // SAFETY: By the safety requirements.
    let assumed = unsafe { Exclusive::assume(locked) };
    let window = PLAN.get(locked);
    let exclusive = window.map_or(&assumed, |window| window.exclusive);
    let plan = window.and_then(|window| window.plan);
    // ftrace disables itself if a site cannot be changed, and an ops that was about to be
    // registered is not then: no site may call it. One that was about to be unregistered may be
    // freed: all sites but the bad one must leave it.
    let mut done = 0;
    let mut result = plan.map_or(Ok(()), |plan| plan.apply::<A>(exclusive, &mut done));
    let whole = plan.filter(|plan| plan.is_whole);
    if whole.is_none() {
        result = result.and_then(|()| apply_unplanned::<A>(exclusive, enable));
    }
    if let Err((record, refusal)) = result {
        match whole {
            // SAFETY: `done` is the number of those that were done.
            Some(plan) => unsafe { plan.calls.undo::<A>(exclusive, done) },
            // Nobody knows any more which sites were on before.
            None => turn_all_off::<A>(exclusive),
        }
        // SAFETY: `record` is a record of ftrace, or null.
        unsafe { bindings::ftrace_bug(report(locked, Err(refusal)), record.cast_mut()) };
    }
}

/// `ftrace_update_ftrace_func()` for one call: makes the call of a tracer at `ip` call `func`.
///
/// # Safety
///
/// `ip` is where an entry calls a tracer, and `func` is one.
pub unsafe fn update_func_call<A: Arch>(
    exclusive: &Exclusive<'_>,
    ip: usize,
    func: usize,
) -> c_int {
    let update = || {
        // SAFETY: By the safety requirements, `ip` is in an entry.
        let words = unsafe { read_site(&A::FUNC_CALL, ip) }?;
        let old = A::FUNC_CALL
            .decode(usize_as_u32(ip), &words, State::On)
            .ok_or(Refusal::Unsuitable)?;
        let new = usize_as_u32(func);
        if old == new {
            return Ok(());
        }
        let [from, to] = [old, new].map(|target| content(State::On, target));
        // SAFETY: By the safety requirements.
        unsafe { change::<A>(exclusive, &A::FUNC_CALL, ip, from, to) }
    };
    report(exclusive.locked(), update())
}

/// `arch_ftrace_update_code()`: does `command` with all CPUs stopped.
///
/// # Safety
///
/// ftrace has asked for `command`.
pub unsafe fn update_code<A: Arch>(locked: &Locked, command: c_int) {
    let is_asked = |bit| command.cast_unsigned() & bit != 0;
    let enable = is_asked(bindings::FTRACE_UPDATE_CALLS);
    let plan = if enable || is_asked(bindings::FTRACE_DISABLE_CALLS) {
        Some(Plan::new::<A>(locked, enable))
    } else {
        None
    };
    let mut time = 0;
    let result = stop_machine(
        |stopped| {
            let window = Window {
                plan: plan.as_ref(),
                exclusive: &Exclusive::stopped(locked, stopped),
            };
            // SAFETY: May be called from any context.
            let start = unsafe { bindings::ktime_get_mono_fast_ns() };
            PLAN.with(locked, &window, || {
                // SAFETY: ftrace has asked for it, and all other CPUs are stopped.
                unsafe { bindings::ftrace_modify_all_code(command) };
            });
            // SAFETY: May be called from any context.
            let end = unsafe { bindings::ktime_get_mono_fast_ns() };
            time = end.saturating_sub(start);
        },
        A::synchronise,
    );
    match result {
        Ok(()) => STATS.stopped(time),
        Err(error) => {
            pr_err!("ftrace: the CPUs cannot be stopped: {error:?}\n");
            // The records say that the sites have changed.
            // SAFETY: The record may be null.
            unsafe { bindings::ftrace_bug(error.to_errno(), ptr::null_mut()) };
        }
    }
}

/// Returns whether returns may not be hooked: for the current task, or any more at all.
#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
fn graph_is_off() -> bool {
    // SAFETY: May be called from any context.
    if unsafe { bindings::ftrace_graph_is_dead() } {
        return true;
    }
    // SAFETY: The current task is valid, and only it and its interrupts change the counter.
    unsafe {
        (&raw const (*bindings::get_current()).tracing_graph_pause.counter).read_volatile() != 0
    }
}

/// `ftrace_graph_func()`: makes the function that is traced at `ip` return to
/// `return_to_handler`.
///
/// `return_address` is where its return address will be read from. `frame` stands for that: the
/// unwinder finds the address again by it, and some architectures compare it on return.
///
/// # Safety
///
/// Called on entry of a function, of whose caller `return_address` is. `fregs` are its registers.
#[cfg(CONFIG_FUNCTION_GRAPH_TRACER)]
pub unsafe fn hook_return(
    return_address: &mut usize,
    frame: usize,
    ip: usize,
    fregs: *mut bindings::ftrace_regs,
) {
    if graph_is_off() {
        return;
    }
    // SAFETY: By the safety requirements. `frame` is never accessed.
    let ret = unsafe {
        bindings::function_graph_enter_regs(*return_address, ip, frame, frame as *mut usize, fregs)
    };
    if ret == 0 {
        *return_address = bindings::return_to_handler as *const () as usize;
    }
}

/// `ftrace_regs_query_register_offset()`: returns the offset that `registers` has for `name`.
pub fn register_offset(registers: &[(&CStr, usize)], name: &CStr) -> c_int {
    let found = registers.iter().find(|(register, _)| *register == name);
    found.map_or(EINVAL.to_errno(), |&(_, offset)| offset as c_int)
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
pub struct Banner<A> {
    sites: usize,
    arch: PhantomData<A>,
}

impl<A: Arch> Banner<A> {
    /// Counts the call sites, for which it can sleep; what prints the banner cannot.
    pub fn prepare() -> Self {
        Self {
            sites: census::<A>().known(),
            arch: PhantomData,
        }
    }
}

impl<A: Arch> fmt::Display for Banner<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", A::NAME)?;
        for layout in A::LAYOUTS {
            write!(f, " {}", layout.name)?;
        }
        write!(f, ", {}, {} sites", A::SYNC, self.sites)
    }
}

/// Reads all call sites.
pub fn census<A: Arch>() -> Census {
    /// # Safety
    ///
    /// `rec` is a record of ftrace, `data` points to a [`Census`].
    unsafe extern "C" fn count<A: Arch>(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements.
        let (ip, census) = unsafe { ((*rec).ip, &mut *data.cast::<Census>()) };
        let layout = A::layout(ip);
        // SAFETY: It is the address of a record.
        let is = |state| unsafe { target_in(layout, ip, state) }.is_some();
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
