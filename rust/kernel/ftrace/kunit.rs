// SPDX-License-Identifier: GPL-2.0

//! Tests of what only a running kernel can show.
//!
//! Most of them call the hooks as ftrace does, through C, on a site of their own: a copy of what
//! the compiler emits into a module, in memory that modules are loaded to.

use super::{
    backend,
    insn,
    site::{
        self,
        Layout,
        State,
        Store,
        Unit,
        MAX_WORDS, //
    },
    stats::Stats,
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
    bindings::{
        self,
        dyn_ftrace, //
    },
    ffi::c_int,
    interrupt::LocalInterruptDisabled,
    num::casts::arch::usize_as_u32,
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*,
    stop_machine::stop_machine,
    str::CString,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
#[cfg(not(CONFIG_THUMB2_KERNEL))]
use core::cell::UnsafeCell;
use core::ptr;

#[cfg(CONFIG_ARM)]
mod arch {
    use super::*;

    /// Layouts of sites in the kernel and in modules.
    pub(super) const CORE: &Layout = MODULE;
    pub(super) const MODULE: &Layout = match (HAS_PADS, cfg!(CONFIG_THUMB2_KERNEL)) {
        (true, false) => &site::A32_PADS,
        (true, true) => &site::T32_PADS,
        (false, false) => &site::A32_MCOUNT,
        (false, true) => &site::T32_MCOUNT,
    };
    const HAS_PADS: bool = cfg!(CONFIG_ARM_FTRACE_PADS);

    /// Layout of the call in a trampoline.
    #[cfg(not(CONFIG_THUMB2_KERNEL))]
    pub(super) const OPS_CALL: &Layout = &site::A32_OPS_CALL;

    /// What a module's site at `ip` calls when it is on.
    pub(super) fn entry() -> usize {
        bindings::ftrace_caller as *const () as usize
    }

    /// What distinguishes a pointer to code from its address.
    pub(super) const ISA_BIT: usize = cfg!(CONFIG_THUMB2_KERNEL) as usize;

    /// What follows a site in a function that returns its argument plus 1, as memory has it.
    const BODY: &[u8] = if cfg!(CONFIG_THUMB2_KERNEL) {
        // `adds r0, #1; bx lr`.
        &[0x01, 0x30, 0x70, 0x47]
    } else {
        // `add r0, r0, #1; bx lr`.
        &[0x01, 0x00, 0x80, 0xe2, 0x1e, 0xff, 0x2f, 0xe1]
    };
    pub(super) const BODY_SIZE: usize = BODY.len();

    /// # Safety
    ///
    /// `address` is that of memory for [`BODY_SIZE`] bytes that nobody else uses.
    pub(super) unsafe fn write_body(address: u32) {
        // SAFETY: By the safety requirements.
        unsafe { ptr::copy_nonoverlapping(BODY.as_ptr(), address as usize as *mut u8, BODY_SIZE) };
    }

    /// A site as the compiler leaves it.
    pub(super) fn compiled(ip: u32) -> Option<[u32; MAX_WORDS]> {
        let mcount = usize_as_u32(bindings::__gnu_mcount_nc as *const () as usize);
        if HAS_PADS {
            let nops = if cfg!(CONFIG_THUMB2_KERNEL) {
                insn::t32::word([insn::t32::NOP; 2])
            } else {
                insn::a32::NOP
            };
            Some([nops, nops, 0, 0, 0, 0])
        } else if cfg!(CONFIG_THUMB2_KERNEL) {
            let [first, second] = insn::t32::bl(ip, mcount & !1)?.map(u32::from);
            Some([u32::from(insn::t32::PUSH_LR), first, second, 0, 0, 0])
        } else {
            Some([
                insn::a32::PUSH_LR[0],
                insn::a32::bl(ip, mcount)?,
                0,
                0,
                0,
                0,
            ])
        }
    }
}

#[cfg(CONFIG_MIPS)]
mod arch {
    use super::*;

    /// Layouts of sites in the kernel and in modules.
    pub(super) const CORE: &Layout = &site::MIPS_CORE;
    pub(super) const MODULE: &Layout = &site::MIPS_MODULE;

    /// Layout of the call in a trampoline.
    pub(super) const OPS_CALL: &Layout = &site::MIPS_OPS_CALL;

    /// What a module's site at `ip` calls when it is on.
    pub(super) fn entry() -> usize {
        bindings::ftrace_module_caller as *const () as usize
    }

    /// A site as the compiler leaves it.
    pub(super) fn compiled(_ip: u32) -> Option<[u32; MAX_WORDS]> {
        use insn::mips::*;

        /// `move $12, $0`, which a leaf function has there.
        const MOVE_12_ZERO: u32 = 0x0000_6025;

        let mcount = usize_as_u32(bindings::_mcount as *const () as usize);
        Some([
            lui_v1(mcount),
            addiu_v1(mcount),
            MOVE_AT_RA[0],
            MOVE_12_ZERO,
            JALR_V1,
            ADDIU_SP_M8,
        ])
    }
}

/// Two pages of memory that modules are loaded to, followed by one that is not mapped.
struct Text(*mut c_void);

impl Text {
    const SIZE: usize = 2 * PAGE_SIZE;

    fn new() -> Result<Self> {
        // SAFETY: No requirements.
        let memory = unsafe {
            bindings::execmem_alloc_rw(bindings::execmem_type_EXECMEM_MODULE_TEXT, Self::SIZE)
        };
        if memory.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: Fresh memory of this size.
        unsafe { ptr::write_bytes(memory.cast::<u8>(), 0, Self::SIZE) };
        Ok(Self(memory))
    }

    fn at(&self, offset: usize) -> usize {
        self.0 as usize + offset
    }

    /// Returns a record of a compiled site whose words the boundary between the pages parts
    /// after the first `split`, and which lies in the first page if that is 0.
    fn site(&self, split: usize) -> Result<Site> {
        let first = if split == 0 {
            64
        } else {
            PAGE_SIZE - arch::MODULE.unit.size() as usize * split
        };
        let ip = match arch::MODULE.words.first() {
            Some(word) => usize_as_u32(self.at(first)).wrapping_add_signed(-word.offset),
            None => return Err(EINVAL),
        };
        let site = Site(dyn_ftrace {
            ip: ip as usize,
            ..Default::default()
        });
        site.write(&arch::compiled(ip).ok_or(EINVAL)?);
        Ok(site)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: Nothing uses the memory any more.
        unsafe { bindings::execmem_free(self.0) };
    }
}

struct Site(dyn_ftrace);

// SAFETY: A record is plain data, and the module that it points to is none.
unsafe impl Send for Site {}

/// What a hook returned, what it says that it expected, and what changed in memory.
#[derive(Debug, PartialEq)]
struct Outcome {
    ret: c_int,
    expected: Option<u32>,
    changed: usize,
}

const DONE: Outcome = Outcome {
    ret: 0,
    expected: None,
    changed: 1,
};

fn refused(error: Error, expected: Option<u32>) -> Outcome {
    Outcome {
        ret: error.to_errno(),
        expected,
        changed: 0,
    }
}

/// Writes a word.
///
/// # Safety
///
/// It is aligned, in the memory of a [`Text`].
unsafe fn write(address: u32, unit: Unit, insn: u32) {
    let address = address as usize;
    match unit {
        // SAFETY: By the safety requirements.
        Unit::Half => unsafe { (address as *mut u16).write_volatile(insn as u16) },
        // SAFETY: By the safety requirements.
        Unit::Word => unsafe { (address as *mut u32).write_volatile(insn) },
    }
}

impl Site {
    fn write(&self, words: &[u32; MAX_WORDS]) {
        for (word, insn) in arch::MODULE.words.iter().zip(words) {
            let address = word.address(usize_as_u32(self.0.ip));
            // SAFETY: The site lies in the memory of a `Text`.
            unsafe { write(address, arch::MODULE.unit, *insn) };
        }
    }

    fn words(&self) -> [u32; MAX_WORDS] {
        words(arch::MODULE, self.0.ip)
    }

    fn is(&self, state: State) -> bool {
        let target = arch::MODULE.decode(usize_as_u32(self.0.ip), &self.words(), state);
        match state {
            State::Off => target.is_some(),
            _ => target == Some(usize_as_u32(arch::entry())),
        }
    }

    /// Calls `hook` as ftrace does: with all processors stopped.
    fn call(&mut self, hook: impl FnOnce(*mut dyn_ftrace) -> c_int + Send) -> Result<Outcome> {
        let before = self.words();
        let (mut ret, mut expected) = (0, None);
        let (site, result) = (&mut *self, (&mut ret, &mut expected));
        stop_machine(
            move |_| {
                let (site, (ret, expected)) = (site, result);
                *ret = hook(&mut site.0);
                // SAFETY: What a hook leaves there is null or the address of a static word.
                *expected = unsafe { bindings::ftrace_expected.cast::<u32>().as_ref().copied() };
            },
            || (),
        )?;
        let after = self.words();
        let changed = before.iter().zip(after).filter(|(a, b)| **a != *b).count();
        Ok(Outcome {
            ret,
            expected: expected.filter(|_| ret != 0),
            changed,
        })
    }

    fn init(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_init_nop(ptr::null_mut(), rec) })
    }

    fn on(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_make_call(rec, ftrace_caller()) })
    }

    fn off(&mut self) -> Result<Outcome> {
        // SAFETY: The record is that of a site that nobody executes.
        self.call(|rec| unsafe { bindings::ftrace_make_nop(ptr::null_mut(), rec, ftrace_caller()) })
    }
}

/// Returns what a module's site holds.
fn content(state: State) -> site::Content {
    backend::content(state, usize_as_u32(arch::entry()))
}

fn ftrace_caller() -> usize {
    bindings::ftrace_caller as *const () as usize
}

/// Stores to memory that is not mapped, or to another page than it should.
struct Broken;

/// What is wrong: the first page is not mapped (0) or the second one (1), neither has an alias (2),
/// nothing (3), the alias of a page is that of the next one (4).
static BROKEN_AFTER: Atomic<usize> = Atomic::new(0);

// SAFETY: The address is that of a page of a `Text` or one for which loads fault. `publish` calls
// nothing.
unsafe impl Machine for Broken {
    fn alias(address: usize, index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        let page = address & PAGE_MASK;
        match (index, BROKEN_AFTER.load(Relaxed)) {
            (0, 1) | (_, 3) => Ok(page),
            (_, 2) => Err(EFAULT),
            (_, 4) => Ok(page + PAGE_SIZE),
            // The page behind the memory of a `Text`.
            (0, _) => Ok(page + Text::SIZE),
            (_, _) => Ok(page + PAGE_SIZE),
        }
    }

    fn release(_alias: usize, _index: usize, _irq: &LocalInterruptDisabled) {}

    fn publish(_stores: &[Store]) {}

    fn synchronise() {}
}

/// Changes a site of which it calls the function between the store and its publication: a worse
/// moment than any at which what changes text may call a function that can be traced.
#[cfg(CONFIG_ARM)]
struct InUse;

/// The function, and what it returned last.
#[cfg(CONFIG_ARM)]
static FUNCTION: Atomic<usize> = Atomic::new(0);
#[cfg(CONFIG_ARM)]
static RETURNED: Atomic<u32> = Atomic::new(0);

#[cfg(CONFIG_ARM)]
impl InUse {
    fn call(argument: u32) {
        let function = FUNCTION.load(Relaxed) as *const ();
        // SAFETY: `FUNCTION` is a function of this type in the memory of a `Text`.
        let function =
            unsafe { core::mem::transmute::<*const (), extern "C" fn(u32) -> u32>(function) };
        RETURNED.store(function(argument), Relaxed);
    }
}

// SAFETY: The address is that of the page. `publish` calls a function that ftrace does not know.
#[cfg(CONFIG_ARM)]
unsafe impl Machine for InUse {
    fn alias(address: usize, _index: usize, _irq: &LocalInterruptDisabled) -> Result<usize> {
        Ok(address & PAGE_MASK)
    }

    fn release(_alias: usize, _index: usize, _irq: &LocalInterruptDisabled) {}

    fn publish(stores: &[Store]) {
        Self::call(1);
        for store in stores {
            let start = store.address as usize;
            // SAFETY: The word is in the memory of a `Text`.
            unsafe { bindings::flush_icache_range(start, start + 1) };
        }
    }

    fn synchronise() {}
}

/// Counts calls of a function by the task that tests.
///
/// # Safety
///
/// No requirements: it is unsafe to be what C calls.
unsafe extern "C" fn count(
    ip: usize,
    _parent: usize,
    _ops: *mut bindings::ftrace_ops,
    _fregs: *mut bindings::ftrace_regs,
) {
    // SAFETY: No requirements.
    if unsafe { bindings::get_current() } as usize == TASK.load(Relaxed) {
        CALLS.store(CALLS.load(Relaxed).wrapping_add(1), Relaxed);
        CALLED_IP.store(ip, Relaxed);
    }
}

static TASK: Atomic<usize> = Atomic::new(0);
static CALLS: Atomic<usize> = Atomic::new(0);
static CALLED_IP: Atomic<usize> = Atomic::new(0);

/// Calls `f` with what proves that text can be changed: that of a [`Text`], which nobody else
/// knows.
fn exclusively<T>(f: impl FnOnce(&Exclusive<'_>) -> T) -> T {
    // SAFETY: ftrace has no records of the memory of a `Text`.
    let locked = unsafe { Locked::assume() };
    // SAFETY: No other CPU executes that.
    let exclusive = unsafe { Exclusive::assume(&locked) };
    f(&exclusive)
}

/// Does `stores` to the memory of a [`Text`].
fn apply<M: Machine>(unit: Unit, stores: &[Store]) -> Result<usize, Fault> {
    // SAFETY: Nobody else uses that memory.
    exclusively(|exclusive| unsafe { text::apply::<M>(exclusive, unit, stores) })
}

/// Reads a word of text.
fn read(address: u32, unit: Unit) -> Result<u32, Refusal> {
    // SAFETY: The tests have addresses of memory alone.
    unsafe { text::read(address, unit) }
}

/// Returns the words of the site at `ip`.
fn words(layout: &Layout, ip: usize) -> [u32; MAX_WORDS] {
    let mut words = [0; MAX_WORDS];
    for (word, insn) in layout.words.iter().zip(&mut words) {
        *insn = read(word.address(usize_as_u32(ip)), layout.unit).unwrap_or(0);
    }
    words
}

/// Returns the words of the kernel's site at `ip`.
fn core_words(ip: usize) -> [u32; MAX_WORDS] {
    words(arch::CORE, ip)
}

#[kunit_tests(ftrace_rust)]
mod tests {
    use super::*;

    #[test]
    fn site_in_one_page() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        let compiled = site.words();

        assert_eq!(site.init()?.ret, 0);
        assert!(site.is(State::Off));
        let off = site.words();
        assert!(off != compiled);

        for _ in 0..3 {
            assert_eq!(site.on()?, DONE);
            assert!(site.is(State::On));
            assert_eq!(site.off()?, DONE);
            assert_eq!(site.words(), off);
        }
        Ok(())
    }

    #[test]
    fn site_across_pages() -> Result {
        let text = Text::new()?;
        for split in 1..arch::MODULE.words.len() {
            let mut site = text.site(split)?;
            assert_eq!(site.init()?.ret, 0);
            assert!(site.is(State::Off));
            assert_eq!(site.on()?, DONE);
            assert!(site.is(State::On));
            assert_eq!(site.off()?, DONE);
            assert!(site.is(State::Off));
        }
        Ok(())
    }

    /// A site across two cache lines, or two pages, can be executed whatever of the old and the new
    /// content a CPU sees in each. In T32 code the boundary parts the halves of an instruction.
    #[cfg(CONFIG_ARM)]
    #[test]
    fn site_in_use_across_lines() -> Result {
        let text = Text::new()?;
        let layout = arch::MODULE;
        let (off, on) = (content(State::Off), content(State::On));

        for behind_line in [256, PAGE_SIZE] {
            let ip = usize_as_u32(text.at(behind_line)) - layout.unit.size();
            let mut site = Site(dyn_ftrace {
                ip: ip as usize,
                ..Default::default()
            });
            site.write(&arch::compiled(ip).ok_or(EINVAL)?);
            let start = layout.words.first().ok_or(EINVAL)?.address(ip) as usize;
            let end = layout.words.last().ok_or(EINVAL)?.address(ip) + layout.unit.size();
            // SAFETY: The address is in the memory of `text`.
            unsafe { arch::write_body(end) };
            assert_eq!(site.init()?.ret, 0);
            // SAFETY: The function is in the memory of `text`.
            let flush =
                || unsafe { bindings::flush_icache_range(start, end as usize + arch::BODY_SIZE) };
            flush();
            FUNCTION.store(start | arch::ISA_BIT, Relaxed);

            for (from, to) in [(off, on), (on, off), (off, on)] {
                let old = site.words();
                let store = layout.store(ip, from, to).map_err(|_| EINVAL)?;
                assert_eq!(apply::<InUse>(layout.unit, store.as_slice()), Ok(1));
                assert_eq!(RETURNED.load(Relaxed), 2);
                InUse::call(2);
                assert_eq!(RETURNED.load(Relaxed), 3);
                assert!(site.is(to.state));

                // Until a line is flushed, a CPU may have its old content. Not all CPUs that this
                // test runs on have such caches, so memory holds what they would.
                let new = site.words();
                for boundary in 1..layout.words.len() {
                    for (ahead, behind) in [(old, new), (new, old)] {
                        let mut seen = ahead;
                        seen[boundary..].copy_from_slice(&behind[boundary..]);
                        site.write(&seen);
                        flush();
                        InUse::call(3);
                        assert_eq!(RETURNED.load(Relaxed), 4);
                    }
                }
                site.write(&new);
                flush();
            }
        }
        Ok(())
    }

    /// A site goes from one entry to the other while it is on, by one store or by none.
    #[cfg(all(CONFIG_ARM, CONFIG_DYNAMIC_FTRACE_WITH_REGS))]
    #[test]
    fn entries_are_exchanged() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        let plain = ftrace_caller();
        let regs = bindings::ftrace_regs_caller as *const () as usize;
        let ip = usize_as_u32(site.0.ip);
        let for_regs = usize_as_u32(regs);
        let for_plain = arch::MODULE.target_beside(ip, usize_as_u32(plain), for_regs);
        let exchanged = Outcome {
            changed: usize::from(for_plain != for_regs),
            ..DONE
        };
        let target = |site: &Site| arch::MODULE.decode(ip, &site.words(), State::On);

        assert_eq!(site.on()?, DONE);
        assert_eq!(target(&site), Some(for_plain));
        for _ in 0..2 {
            // SAFETY: The record is that of a site that nobody executes.
            let to_regs = |rec| unsafe { bindings::ftrace_modify_call(rec, plain, regs) };
            assert_eq!(site.call(to_regs)?, exchanged);
            assert_eq!(target(&site), Some(for_regs));
            // SAFETY: The record is that of a site that nobody executes.
            let to_plain = |rec| unsafe { bindings::ftrace_modify_call(rec, regs, plain) };
            assert_eq!(site.call(to_plain)?, exchanged);
            assert_eq!(target(&site), Some(for_plain));
        }
        assert_eq!(site.off()?, DONE);

        // SAFETY: The record is that of a site that nobody executes.
        let on = |rec| unsafe { bindings::ftrace_make_call(rec, regs) };
        assert_eq!(site.call(on)?, DONE);
        assert_eq!(target(&site), Some(for_regs));
        // SAFETY: The record is that of a site that nobody executes.
        let off = |rec| unsafe { bindings::ftrace_make_nop(ptr::null_mut(), rec, regs) };
        assert_eq!(site.call(off)?, DONE);
        assert!(site.is(State::Off));
        Ok(())
    }

    #[test]
    fn unknown_layout_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        let compiled = site.words();
        let at_ip = arch::MODULE.words.iter().position(|w| w.offset == 0);
        let expected = at_ip.map(|i| compiled[i]);
        for i in 0..arch::MODULE.words.len() {
            // The instruction that sets `$12` is the compiler's choice.
            if arch::MODULE.words[i].compiled == site::Slot::Kept(&[]) {
                continue;
            }
            let mut words = compiled;
            words[i] ^= 1 << 4;
            site.write(&words);
            assert_eq!(site.init()?, refused(EINVAL, expected));
        }
        // A second initialisation finds a site that is not compiled any more.
        site.write(&compiled);
        assert_eq!(site.init()?.ret, 0);
        assert_eq!(site.init()?, refused(EINVAL, expected));
        Ok(())
    }

    #[test]
    fn unexpected_word_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);

        let off = site.words();
        assert_eq!(site.on()?, DONE);
        let on = site.words();
        let toggled = on.iter().zip(off).find(|(on, off)| **on != *off);
        let (on, off) = toggled.map(|(on, off)| (*on, off)).ok_or(EINVAL)?;

        assert_eq!(site.on()?, refused(EINVAL, Some(off)));
        assert_eq!(site.off()?, DONE);
        assert_eq!(site.off()?, refused(EINVAL, Some(on)));
        Ok(())
    }

    #[test]
    fn unaligned_address_is_refused() -> Result {
        let text = Text::new()?;
        for offset in 1..4 {
            let mut site = text.site(0)?;
            site.0.ip += offset;
            // SAFETY: The record is that of a site that nobody executes.
            let ret = unsafe { bindings::ftrace_init_nop(ptr::null_mut(), &mut site.0) };
            assert_eq!(ret, EINVAL.to_errno());
            // SAFETY: The record is that of a site that nobody executes.
            let ret = unsafe { bindings::ftrace_make_call(&mut site.0, ftrace_caller()) };
            assert_eq!(ret, EINVAL.to_errno());
            site.0.ip -= offset;
            assert_eq!(site.init()?.ret, 0);
        }
        Ok(())
    }

    #[test]
    fn unmapped_address_is_refused() -> Result {
        let text = Text::new()?;
        let mut rec = dyn_ftrace {
            ip: text.at(Text::SIZE + 64),
            ..Default::default()
        };
        // SAFETY: The record is that of a site that nobody executes.
        let ret = unsafe { bindings::ftrace_init_nop(ptr::null_mut(), &mut rec) };
        assert_eq!(ret, EFAULT.to_errno());
        // SAFETY: The record is that of a site that nobody executes.
        let ret = unsafe { bindings::ftrace_make_call(&mut rec, ftrace_caller()) };
        assert_eq!(ret, EFAULT.to_errno());
        Ok(())
    }

    #[test]
    fn unreachable_target_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        // Too far for `bl`, and not what `addiu` has been made to add.
        let far = ftrace_caller().wrapping_add((64 << 20) + 4);
        // SAFETY: The record is that of a site that nobody executes.
        let outcome = site.call(|rec| unsafe { bindings::ftrace_make_call(rec, far) })?;
        assert_eq!(outcome.ret, EINVAL.to_errno());
        assert_eq!(outcome.changed, 0);
        Ok(())
    }

    #[test]
    fn unwritable_site_is_refused() -> Result {
        let text = Text::new()?;
        let mut site = text.site(0)?;
        assert_eq!(site.init()?.ret, 0);
        // The store faults, or there is no mapping to store through.
        for broken_after in [0, 2] {
            BROKEN_AFTER.store(broken_after, Relaxed);
            let on = |rec: *mut dyn_ftrace| {
                // SAFETY: The record is valid.
                let ip = unsafe { (*rec).ip };
                let [from, to] = [State::Off, State::On].map(content);
                exclusively(|exclusive| {
                    // SAFETY: It is a site in the memory of a `Text`.
                    let result =
                        unsafe { backend::change::<Broken>(exclusive, arch::MODULE, ip, from, to) };
                    backend::report(exclusive.locked(), result)
                })
            };
            assert_eq!(site.call(on)?, refused(EPERM, None));
            assert!(site.is(State::Off));
        }
        Ok(())
    }

    #[test]
    fn failed_store_changes_nothing() -> Result {
        const NEW: u32 = 0x5678;

        let fault = |address, reason| Err(Fault { address, reason });
        for unit in [Unit::Half, Unit::Word] {
            let text = Text::new()?;
            let address = |offset| usize_as_u32(text.at(offset));
            let store = |address| Store {
                address,
                old: 0,
                new: NEW,
            };
            let (first, second) = (address(PAGE_SIZE) - unit.size(), address(PAGE_SIZE));
            let stores = [store(first), store(second)];

            for (broken_after, faulty) in [(0, first), (1, second), (2, first)] {
                BROKEN_AFTER.store(broken_after, Relaxed);
                let result = apply::<Broken>(unit, &stores);
                assert_eq!(result, fault(faulty, Refusal::Unwritable));
                assert_eq!(read(first, unit), Ok(0));
                assert_eq!(read(second, unit), Ok(0));
            }

            // The second page can be read alone: the store to the first one is taken back.
            #[cfg(CONFIG_ARCH_HAS_SET_MEMORY)]
            {
                let page = text.at(PAGE_SIZE);
                BROKEN_AFTER.store(3, Relaxed);
                // SAFETY: The page is one of `text`.
                assert_eq!(unsafe { bindings::set_memory_ro(page, 1) }, 0);
                let result = apply::<Broken>(unit, &stores);
                // SAFETY: The page is one of `text`.
                assert_eq!(unsafe { bindings::set_memory_rw(page, 1) }, 0);
                assert_eq!(result, fault(second, Refusal::Unwritable));
                assert_eq!(read(first, unit), Ok(0));
                assert_eq!(read(second, unit), Ok(0));
            }

            // What is taken for the alias is another page: its words are none of those.
            let other = [store(address(8)), store(address(16))];
            for wrong in [address(PAGE_SIZE + 8), address(PAGE_SIZE + 16)] {
                BROKEN_AFTER.store(4, Relaxed);
                // SAFETY: The word is in the memory of `text`.
                unsafe { write(wrong, unit, NEW) };
                let result = apply::<Broken>(unit, &other);
                // SAFETY: The word is in the memory of `text`.
                unsafe { write(wrong, unit, 0) };
                let word = wrong - usize_as_u32(PAGE_SIZE);
                assert_eq!(result, fault(word, Refusal::Unexpected(0)));
                for offset in [8, 16] {
                    assert_eq!(read(address(offset), unit), Ok(0));
                    assert_eq!(read(address(PAGE_SIZE + offset), unit), Ok(0));
                }
            }

            // The word of a third page, which is not mapped, has its turn later.
            let [before, behind] = [address(PAGE_SIZE) - 8, address(2 * PAGE_SIZE)];
            let stores = [store(before), store(first), store(second), store(behind)];
            BROKEN_AFTER.store(3, Relaxed);
            assert_eq!(apply::<Broken>(unit, &stores), Ok(3));
            for address in [before, first, second] {
                assert_eq!(read(address, unit), Ok(NEW));
            }

            // What is not aligned takes more than one store.
            let unaligned = address(0) + unit.size() / 2;
            let result = apply::<Broken>(unit, &[store(unaligned)]);
            assert_eq!(result, fault(unaligned, Refusal::Unsuitable));

            // The second of three words is not what it is thought to be: none changes.
            let mut stores = [store(address(0)), store(address(8)), store(address(16))];
            stores[1].old = 1;
            BROKEN_AFTER.store(1, Relaxed);
            let result = apply::<Broken>(unit, &stores);
            assert_eq!(result, fault(address(8), Refusal::Unexpected(1)));
            assert_eq!(read(address(0), unit), Ok(0));

            // A store changes what it is to change and nothing beside it.
            BROKEN_AFTER.store(1, Relaxed);
            assert_eq!(apply::<Broken>(unit, &[store(address(32))]), Ok(1));
            assert_eq!(read(address(32), unit), Ok(NEW));
            assert_eq!(read(address(32) - unit.size(), unit), Ok(0));
            assert_eq!(read(address(32) + unit.size(), unit), Ok(0));
        }
        Ok(())
    }

    #[test]
    fn stop_times_of_over_four_seconds() -> Result {
        let stats = Stats::new();
        // The third one is the longest, the last one is shorter.
        for nanoseconds in [0, 999_999_999, 5_000_000_001, 4_294_967_296] {
            stats.stopped(nanoseconds);
        }
        let [last, worst] = stats.stop_times();
        let text = CString::try_from_fmt(fmt!("{last} {worst}"))?;
        assert_eq!(text.to_bytes(), b"4294967296 5000000001");

        stats.stopped(7);
        let [last, _] = stats.stop_times();
        assert_eq!(CString::try_from_fmt(fmt!("{last}"))?.to_bytes(), b"7");
        Ok(())
    }

    #[test]
    fn live_site() -> Result {
        let mut ops = bindings::ftrace_ops {
            func: Some(count),
            ..Default::default()
        };
        let name = c"msleep";
        // SAFETY: The task that runs the test.
        TASK.store(unsafe { bindings::get_current() } as usize, Relaxed);
        CALLS.store(0, Relaxed);

        let function = bindings::msleep as *const () as usize;
        // SAFETY: Takes any address.
        let ip = unsafe { bindings::ftrace_location(function) };
        assert!(ip != 0);
        let is = |state| arch::CORE.decode(usize_as_u32(ip), &core_words(ip), state);
        assert!(is(State::Off).is_some());
        let off = core_words(ip);

        // SAFETY: The string has this length.
        let ret =
            unsafe { bindings::ftrace_set_filter(&mut ops, name.as_char_ptr().cast_mut(), 6, 1) };
        assert_eq!(ret, 0);
        for round in 1..4 {
            // SAFETY: `ops` is set up and stays: it is unregistered below, which waits for those
            // who use it.
            assert_eq!(unsafe { bindings::register_ftrace_function(&mut ops) }, 0);
            let keeps = arch::CORE.keeps_target(usize_as_u32(ip));
            let called = if cfg!(CONFIG_THUMB2_KERNEL) || keeps {
                ftrace_caller()
            } else {
                assert!(ops.trampoline != 0);
                ops.trampoline
            };
            assert_eq!(is(State::On), Some(usize_as_u32(called)));
            let differ = core_words(ip)
                .iter()
                .zip(off)
                .filter(|(a, b)| **a != *b)
                .count();
            assert_eq!(differ, 1);
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round);
            assert_eq!(CALLED_IP.load(Relaxed), ip);

            // SAFETY: `ops` is registered.
            assert_eq!(unsafe { bindings::unregister_ftrace_function(&mut ops) }, 0);
            assert_eq!(core_words(ip), off);
            assert_eq!(ops.trampoline, 0);
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round);
        }
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(&mut ops) };
        Ok(())
    }

    /// An ops that is registered again with other flags, with the trampoline that it has kept.
    #[cfg(not(CONFIG_THUMB2_KERNEL))]
    #[test]
    fn trampoline_is_brought_up_to_date() {
        struct Ops(UnsafeCell<bindings::ftrace_ops>);

        // SAFETY: Only the test uses it, and ftrace.
        unsafe impl Sync for Ops {}

        // ftrace takes back the trampolines of those that are not static.
        static OPS: Ops = Ops(UnsafeCell::new({
            // SAFETY: Zeroes are an ops.
            let mut ops: bindings::ftrace_ops = unsafe { core::mem::zeroed() };
            ops.func = Some(count);
            ops
        }));

        const RECURSION: usize = bindings::FTRACE_OPS_FL_RECURSION as usize;

        let (ops, name) = (OPS.0.get(), c"msleep");
        // SAFETY: The task that runs the test.
        TASK.store(unsafe { bindings::get_current() } as usize, Relaxed);
        CALLS.store(0, Relaxed);
        // SAFETY: The string has this length.
        let ret = unsafe { bindings::ftrace_set_filter(ops, name.as_char_ptr().cast_mut(), 6, 1) };
        assert_eq!(ret, 0);

        let mut kept = 0;
        for (round, assisted) in [false, true, false].into_iter().enumerate() {
            let flag = if assisted { RECURSION } else { 0 };
            // SAFETY: `ops` is not registered.
            unsafe { (*ops).flags = (*ops).flags & !RECURSION | flag };
            // SAFETY: `ops` is set up and stays.
            assert_eq!(unsafe { bindings::register_ftrace_function(ops) }, 0);
            // SAFETY: Only the hook, which has returned, changes it.
            let trampoline = unsafe { (*ops).trampoline };
            assert!(trampoline != 0 && (kept == 0 || trampoline == kept));
            kept = trampoline;

            let call = usize_as_u32(trampoline) + bindings::FTRACE_TRAMPOLINE_CALL;
            let mut words = [0; MAX_WORDS];
            words[0] = read(call, Unit::Word).unwrap_or_default();
            let is = |state| arch::OPS_CALL.decode(call, &words, state).is_some();
            assert_eq!((is(State::Off), is(State::On)), (!assisted, assisted));
            // SAFETY: This may sleep.
            unsafe { bindings::msleep(1) };
            assert_eq!(CALLS.load(Relaxed), round + 1);
            // SAFETY: `ops` is registered.
            assert_eq!(unsafe { bindings::unregister_ftrace_function(ops) }, 0);
        }
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(ops) };
    }

    /// A site at which QEMU would call the trampoline that it has called before.
    #[cfg(CONFIG_MIPS)]
    #[test]
    fn site_at_the_end_of_a_page() {
        /// Finds such a site.
        ///
        /// # Safety
        ///
        /// `rec` is a record of ftrace, `data` points to an address.
        unsafe extern "C" fn find(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
            // SAFETY: By the safety requirements.
            let (ip, found) = unsafe { ((*rec).ip, &mut *data.cast::<usize>()) };
            let words = core_words(ip);
            let is_off = arch::CORE
                .decode(usize_as_u32(ip), &words, State::Off)
                .is_some();
            if !is_off || !arch::CORE.keeps_target(usize_as_u32(ip)) {
                return 0;
            }
            *found = ip;
            1
        }

        let mut ip = 0usize;
        // SAFETY: `find` takes an address.
        unsafe { bindings::ftrace_walk_records(Some(find), (&raw mut ip).cast()) };
        // One site in a thousand is such a one.
        assert!(ip != 0);

        let mut ops = bindings::ftrace_ops {
            func: Some(count),
            ..Default::default()
        };
        // SAFETY: `ops` is not registered.
        let ret = unsafe { bindings::ftrace_set_filter_ip(&mut ops, ip, 0, 1) };
        assert_eq!(ret, 0);
        // SAFETY: `ops` is set up, and is unregistered below.
        assert_eq!(unsafe { bindings::register_ftrace_function(&mut ops) }, 0);
        assert!(ops.trampoline != 0);
        let called = arch::CORE.decode(usize_as_u32(ip), &core_words(ip), State::On);
        // SAFETY: `ops` is registered.
        assert_eq!(unsafe { bindings::unregister_ftrace_function(&mut ops) }, 0);
        // SAFETY: `ops` is not registered.
        unsafe { bindings::ftrace_free_filter(&mut ops) };
        assert_eq!(called, Some(usize_as_u32(ftrace_caller())));
    }

    #[test]
    fn all_sites_need_one_store() {
        /// Counts the kernel's sites and those that are neither on nor off.
        ///
        /// # Safety
        ///
        /// `rec` is a record of ftrace, `data` points to the two numbers.
        unsafe extern "C" fn check(rec: *const dyn_ftrace, data: *mut c_void) -> c_int {
            // SAFETY: By the safety requirements.
            let (ip, numbers) = unsafe { ((*rec).ip, &mut *data.cast::<[usize; 2]>()) };
            // SAFETY: Takes any address.
            if unsafe { bindings::core_kernel_text(ip) } == 0 {
                return 0;
            }
            let words = core_words(ip);
            let is = |state| arch::CORE.decode(usize_as_u32(ip), &words, state).is_some();
            numbers[0] += 1;
            if !is(State::Off) && !is(State::On) {
                numbers[1] += 1;
            }
            0
        }

        let mut numbers = [0usize; 2];
        // SAFETY: `check` takes `numbers`.
        unsafe { bindings::ftrace_walk_records(Some(check), (&raw mut numbers).cast()) };
        assert!(numbers[0] > 1000);
        assert_eq!(numbers[1], 0);
    }
}
