// SPDX-License-Identifier: GPL-2.0

//! Layouts of sites.

use arbtest::{
    arbitrary::{
        Result,
        Unstructured, //
    },
    arbtest, //
};
use ftrace_pure::{
    insn::{
        a32,
        mips,
        t32, //
    },
    site::{
        common_width,
        EncodeError,
        Layout,
        Pattern,
        SiteState,
        State,
        Store,
        Stores,
        Transition,
        Width,
        A32_FUNC_CALL,
        A32_MCOUNT,
        A32_OPS,
        A32_OPS_CALL,
        A32_PADS,
        MAX_WORDS,
        MIPS_CORE,
        MIPS_FUNC_CALL,
        MIPS_MODULE,
        MIPS_OPS,
        MIPS_OPS_CALL,
        T32_FUNC_CALL,
        T32_MCOUNT,
        T32_PADS, //
    },
};

/// Those that go on and off by one store.
pub(crate) const LAYOUTS: [&Layout; 11] = [
    &A32_MCOUNT,
    &A32_PADS,
    &A32_FUNC_CALL,
    &A32_OPS_CALL,
    &T32_MCOUNT,
    &T32_PADS,
    &T32_FUNC_CALL,
    &MIPS_CORE,
    &MIPS_MODULE,
    &MIPS_FUNC_CALL,
    &MIPS_OPS_CALL,
];

/// Those that change in two words, while nothing executes them.
pub(crate) const OPS: [&Layout; 2] = [&A32_OPS, &MIPS_OPS];

const STATES: [State; 3] = [State::Compiled, State::Off, State::On];

// Within reach of each other for all instructions. The low half of `ENTRY` is negative.
const IP: u32 = 0x8010_0004;
const MCOUNT: u32 = 0x8010_4568;
const ENTRY: u32 = 0x8011_9abc;

/// `addiu $12, sp, 20`, as gcc sets `$12`.
const SET_12: u32 = 0x27ac_0014;

fn content(state: State, target: u32) -> SiteState {
    SiteState { state, target }
}

/// Returns the pointer to the function at `address` that a site of `layout` calls.
fn pointer(layout: &Layout, address: u32) -> u32 {
    address | u32::from(layout.name.starts_with("t32"))
}

/// Returns the words of the site at `ip` with `content`.
fn words(layout: &Layout, ip: u32, content: SiteState) -> Option<[u32; MAX_WORDS]> {
    // What follows the site in memory.
    let mut words = [0xffff_ffff; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        let (pc, target) = (ip.wrapping_add_signed(word.offset), content.target);
        let pattern = match content.state {
            State::Compiled => word.compiled,
            State::Off => word.off,
            State::On => word.on,
        };
        *insn = match pattern {
            Pattern::Insn(insn) => insn,
            Pattern::OneOf(list) => list[0],
            Pattern::Kept(list) => list[0],
            Pattern::Any => SET_12,
            Pattern::A32Bl => a32::bl(pc, target)?,
            Pattern::T32Bl => u32::from(t32::bl(pc, target - 1)?[0]),
            Pattern::T32BlSecond => u32::from(t32::bl(pc.wrapping_sub(2), target - 1)?[1]),
            Pattern::T32Call => t32::word(t32::bl(pc, target - 1)?),
            Pattern::MipsJal => mips::jal(pc, target)?,
            Pattern::MipsLuiV1 => mips::lui_v1(target),
            Pattern::MipsAddiuV1 => mips::addiu_v1(target),
            Pattern::A32MovwR2 => a32::movw_r2(target),
            Pattern::A32MovtR2 => a32::movt_r2(target),
            Pattern::MipsLuiA2 => mips::lui_a2(target),
            Pattern::MipsAddiuA2 => mips::addiu_a2(target),
        };
    }
    Some(words)
}

/// Does `store` in the `words` of the site at `ip`.
fn apply(layout: &Layout, ip: u32, words: &mut [u32; MAX_WORDS], store: Store) {
    let place = layout
        .words
        .iter()
        .position(|word| word.address(ip) == store.address);
    let insn = &mut words[place.expect("the store is to a word of the site")];
    assert_eq!(*insn, store.old, "{}: {store:x?}", layout.name);
    *insn = store.new;
}

/// Returns an address and two targets that some, and most often all, instructions can express.
fn addresses(u: &mut Unstructured<'_>) -> Result<(u32, [u32; 2])> {
    let ip = u.arbitrary::<u32>()? & !3;
    let near = |u: &mut Unstructured<'_>| {
        Ok(ip.wrapping_add_signed(u.int_in_range(-0x7f_ffff..=0x7f_ffff)? & !3))
    };
    Ok((ip, [near(u)?, near(u)?]))
}

fn stores(
    layout: &Layout,
    ip: u32,
    from: SiteState,
    to: SiteState,
) -> core::result::Result<Stores, EncodeError> {
    let mut stores = Stores::new(layout.width);
    stores.add(layout, ip, from, to)?;
    Ok(stores)
}

#[test]
fn no_layout_is_left_out() {
    let sources = [
        include_str!("../../../../../../../rust/kernel/ftrace/site/arm.rs"),
        include_str!("../../../../../../../rust/kernel/ftrace/site/mips.rs"),
    ];
    let written = sources.into_iter().flat_map(str::lines);
    let written =
        written.filter_map(|line| line.trim().strip_prefix("name: \"")?.strip_suffix("\","));
    let tested: Vec<_> = LAYOUTS.into_iter().chain(OPS).map(|l| l.name).collect();
    for name in written {
        assert!(
            tested.contains(&name),
            "{name} is not in LAYOUTS of {}",
            file!()
        );
    }
}

#[test]
fn stores_are_those_of_the_tables() {
    // The site's words when compiled, off and on; ip is `IP`, kept words are `SET_12`'s kind.
    let rows: &[(&Layout, &[[u32; 3]])] = &[
        (
            &A32_MCOUNT,
            &[
                // push {lr}; mov ip, lr
                [0xe52d_e004, 0xe1a0_c00e, 0xe1a0_c00e],
                // bl MCOUNT; nop; bl ENTRY
                [0xeb00_1157, 0xe320_f000, 0xeb00_66ac],
            ],
        ),
        (
            &A32_PADS,
            &[
                // nop; mov ip, lr
                [0xe320_f000, 0xe1a0_c00e, 0xe1a0_c00e],
                // nop; bl ENTRY
                [0xe320_f000, 0xe320_f000, 0xeb00_66ac],
            ],
        ),
        (&A32_FUNC_CALL, &[[0xeb00_1157, 0xe320_f000, 0xeb00_66ac]]),
        // blx ip; bl ENTRY
        (&A32_OPS_CALL, &[[0xe12f_ff3c, 0xe12f_ff3c, 0xeb00_66ac]]),
        (
            &T32_MCOUNT,
            &[
                // push {lr}; mov ip, lr
                [0xb500, 0x46f4, 0x46f4],
                // bl MCOUNT; b.n .+4; bl ENTRY
                [0xf004, 0xe000, 0xf019],
                [0xfab0, 0xfd5a, 0xfd5a],
            ],
        ),
        (
            &T32_PADS,
            &[
                // nop, nop; mov ip, lr, nop
                [0xbf00_bf00, 0xbf00_46f4, 0xbf00_46f4],
                // nop, nop; nop.w; bl ENTRY
                [0xbf00_bf00, 0x8000_f3af, 0xfd5a_f019],
            ],
        ),
        // bl MCOUNT; nop.w; bl ENTRY
        (&T32_FUNC_CALL, &[[0xfab0_f004, 0x8000_f3af, 0xfd5a_f019]]),
        (
            &MIPS_CORE,
            &[
                // jal MCOUNT; move ra, at; jal ENTRY
                [0x0c04_115a, 0x0020_f825, 0x0c04_66af],
                // addiu sp, sp, -8; nop
                [0x27bd_fff8, 0, 0],
            ],
        ),
        (
            &MIPS_MODULE,
            &[
                // lui v1, %hi(MCOUNT); b .+24; lui v1, %hi(ENTRY)
                [0x3c03_8010, 0x1000_0005, 0x3c03_8012],
                // addiu v1, v1, %lo(MCOUNT); addiu v1, v1, %lo(ENTRY)
                [0x2463_4568, 0x2463_9abc, 0x2463_9abc],
                // move at, ra
                [0x03e0_0825; 3],
                [SET_12; 3],
                // jalr v1
                [0x0060_f809; 3],
                // addiu sp, sp, -8; nop
                [0x27bd_fff8, 0, 0],
            ],
        ),
        (&MIPS_FUNC_CALL, &[[0x0c04_115a, 0, 0x0c04_66af]]),
        // jalr v1; jal ENTRY
        (&MIPS_OPS_CALL, &[[0x0060_f809, 0x0060_f809, 0x0c04_66af]]),
    ];
    let names: Vec<_> = rows.iter().map(|(layout, _)| layout.name).collect();
    assert_eq!(
        names,
        LAYOUTS.map(|l| l.name),
        "these rows are not of LAYOUTS"
    );

    for &(layout, table) in rows {
        let columns = [
            content(State::Compiled, pointer(layout, MCOUNT)),
            content(State::Off, pointer(layout, ENTRY)),
            content(State::On, pointer(layout, ENTRY)),
        ];
        let name = layout.name;
        let first = layout.words[0].offset;
        assert_eq!(layout.words.len(), table.len(), "{name}");

        for (from, to) in [(0, 1), (1, 2), (2, 1)] {
            let expected: Vec<_> = table
                .iter()
                .zip((IP.wrapping_add_signed(first)..).step_by(layout.width.size() as usize))
                .filter(|(row, _)| row[from] != row[to])
                .map(|(row, address)| Store {
                    address,
                    old: row[from],
                    new: row[to],
                })
                .collect();
            let stores = stores(layout, IP, columns[from], columns[to]).expect(name);
            assert!(
                *stores == *expected,
                "{name}: {:x?} to {:x?}: {stores:x?}, not {expected:x?}",
                columns[from],
                columns[to]
            );
        }
        for (column, content) in columns.iter().enumerate() {
            let mut words = [0xffff_ffff; MAX_WORDS];
            for (word, row) in words.iter_mut().zip(table) {
                *word = row[column];
            }
            assert!(
                layout.decode(IP, &words, content.state).is_some(),
                "{name}: {content:x?}"
            );
        }
    }
}

/// Returns the stores that make `transition` to words, up to the first that cannot make it.
fn fill<const N: usize>(transition: &Transition, addresses: [u32; N]) -> Vec<Store> {
    let mut stores = addresses.map(|address| Store {
        address,
        ..Store::EMPTY
    });
    let number = transition.encode_run(&mut stores);
    stores[..number].to_vec()
}

#[test]
fn many_sites_change_alike_up_to_one_that_cannot() {
    for layout in LAYOUTS {
        let name = layout.name;
        let [off, on] = [State::Off, State::On].map(|state| content(state, pointer(layout, ENTRY)));
        for (from, to) in [(off, on), (on, off)] {
            let at_ip = layout.transition_at_ip(from, to).expect(name);
            let single = |ip| at_ip.at(ip).expect(name).expect(name);
            let (first, second) = (single(IP), single(IP + 64));
            assert_eq!(fill(&at_ip, [IP, IP + 64]), [first, second], "{name}");
            // Not aligned, in front of one that is.
            assert_eq!(fill(&at_ip, [IP, IP + 1, IP + 64]), [first], "{name}");
            // Out of reach of all but the calls that stand for any address.
            let far = IP ^ 1 << 31;
            let reached = fill(&at_ip, [IP, far, IP + 64]);
            match at_ip.at(far) {
                Ok(store) => assert_eq!(reached, [first, store.expect(name), second], "{name}"),
                Err(EncodeError) => assert_eq!(reached, [first], "{name}"),
            }
        }
    }
}

#[test]
fn what_is_stored_together_is_of_one_unit() {
    let (compiled, off) = (content(State::Compiled, MCOUNT), content(State::Off, ENTRY));
    let mut stores = Stores::new(Width::Half);
    let added = stores.add(&A32_MCOUNT, IP, compiled, off);
    assert_eq!((added, stores.len()), (Err(EncodeError), 0));

    assert_eq!(common_width(&[&MIPS_CORE, &MIPS_MODULE]), Width::Word);
    let mixed = std::panic::catch_unwind(|| common_width(&[&A32_MCOUNT, &T32_MCOUNT]));
    assert!(mixed.is_err());
}

#[test]
fn one_store_at_ip_turns_a_site_on_and_off() {
    arbtest(|u| {
        let (ip, [mcount, entry]) = addresses(u)?;
        for layout in LAYOUTS {
            let name = layout.name;
            let [mcount, entry] = [mcount, entry].map(|target| pointer(layout, target));
            let compiled = content(State::Compiled, mcount);
            let (off, on) = (content(State::Off, entry), content(State::On, entry));
            let Some(mut memory) = words(layout, ip, compiled) else {
                assert_eq!(
                    stores(layout, ip, compiled, off),
                    Err(EncodeError),
                    "{name}"
                );
                continue;
            };
            for &store in stores(layout, ip, compiled, off).expect(name).iter() {
                apply(layout, ip, &mut memory, store);
            }
            assert!(
                layout.decode(ip, &memory, State::Off).is_some(),
                "{name} {memory:x?}"
            );
            let Some(enabled) = words(layout, ip, on) else {
                assert_eq!(layout.store(ip, off, on), Err(EncodeError), "{name}");
                assert_eq!(stores(layout, ip, off, on), Err(EncodeError), "{name}");
                continue;
            };

            let disabled = memory;
            for (from, to, after) in [(off, on, enabled), (on, off, disabled)] {
                let store = layout.store(ip, from, to).expect(name).expect(name);
                assert_eq!(store.address, ip, "{name}");
                let at_ip = layout.transition_at_ip(from, to).expect(name);
                assert_eq!(at_ip.at(ip), Ok(Some(store)), "{name}");
                assert_eq!(fill(&at_ip, [ip]), [store], "{name}");
                apply(layout, ip, &mut memory, store);
                assert_eq!(memory, after, "{name} at {ip:#x}: {from:x?} to {to:x?}");
                let stores = stores(layout, ip, from, to).expect(name);
                assert_eq!(*stores, [store], "{name}");
            }
            assert_eq!(
                layout.decode(ip, &enabled, State::On),
                Some(entry),
                "{name}"
            );
        }
        Ok(())
    });
}

#[test]
fn each_state_is_told_from_the_others() {
    for layout in LAYOUTS {
        let entry = pointer(layout, ENTRY);
        for (have, want) in STATES.into_iter().flat_map(|a| STATES.map(|b| (a, b))) {
            let words = words(layout, IP, content(have, entry)).expect(layout.name);
            let target = layout.decode(IP, &words, want);
            // Within what sites call there is nothing to initialise.
            let same = layout.words.iter().all(|word| match (have, want) {
                (State::On, State::Off) | (State::Off, State::On) => false,
                (State::Off, _) | (_, State::Off) => word.compiled == word.off,
                _ => have == want || word.compiled == word.on,
            });
            let name = layout.name;
            assert_eq!(
                target.is_some(),
                have == want || same,
                "{name}: {have:?} as {want:?}"
            );
            if have == State::On && want == State::On {
                assert_eq!(target, Some(entry), "{name}");
            }
        }
    }
}

#[test]
fn every_bit_counts() {
    for (layout, state) in LAYOUTS
        .into_iter()
        .flat_map(|layout| STATES.map(|s| (layout, s)))
    {
        let good = words(layout, IP, content(state, pointer(layout, ENTRY))).expect(layout.name);
        let target = layout.decode(IP, &good, state);
        assert!(target.is_some(), "{} {state:?}", layout.name);
        for (place, word) in layout.words.iter().enumerate() {
            for bit in 0..8 * layout.width.size() {
                let mut bad = good;
                bad[place] ^= 1 << bit;
                let allowed = match word.compiled {
                    Pattern::Kept(list) => list.contains(&bad[place]),
                    Pattern::Any => true,
                    _ => false,
                };
                let same = layout.decode(IP, &bad, state) == target;
                assert_eq!(same, allowed, "{} {state:?}: {bad:x?}", layout.name);
            }
        }
    }
}

#[test]
fn any_compiler_may_have_saved_the_return_address() {
    let target = ENTRY;
    let off = content(State::Off, target);
    let mut found = words(&A32_MCOUNT, IP, content(State::Compiled, target)).unwrap();
    for push in a32::PUSH_LR {
        found[0] = push;
        let calls = A32_MCOUNT.decode(IP, &found, State::Compiled);
        assert_eq!(calls, Some(target), "{push:#x}");
        let mut stores = Stores::new(A32_MCOUNT.width);
        stores.add_found(&A32_MCOUNT, IP, &found, off).unwrap();
        let changes = stores.iter().map(|s| (s.address, s.old, s.new));
        let bl = a32::bl(IP, target).unwrap();
        assert_eq!(
            changes.collect::<Vec<_>>(),
            [(IP - 4, push, a32::MOV_IP_LR), (IP, bl, a32::NOP)]
        );
    }
}

#[test]
fn jal_at_the_end_of_a_page_keeps_its_target() {
    let on = |target| content(State::On, target);
    let other = ENTRY + 0x100;
    let is_kept = |layout: &Layout, ip| layout.store(ip, on(ENTRY), on(other)) == Err(EncodeError);
    for ip in (IP & !0xfff..).step_by(4).take(2048) {
        let is_last = ip & 0xfff == 0xffc;
        for layout in [&MIPS_CORE, &MIPS_FUNC_CALL, &MIPS_OPS_CALL] {
            assert_eq!(layout.keeps_target(ip), is_last, "{} {ip:#x}", layout.name);
            assert_eq!(is_kept(layout, ip), is_last, "{} {ip:#x}", layout.name);
        }
        for layout in [&A32_MCOUNT, &A32_PADS, &MIPS_MODULE] {
            assert!(!layout.keeps_target(ip), "{} {ip:#x}", layout.name);
        }
        // It is turned on and off as any other.
        let off = content(State::Off, ENTRY);
        assert!(MIPS_CORE.store(ip, off, on(ENTRY)).unwrap().is_some());
        assert!(MIPS_CORE.store(ip, on(ENTRY), off).unwrap().is_some());
    }
}

#[test]
fn words_behind_the_site_do_not_count() {
    for layout in LAYOUTS {
        let entry = pointer(layout, ENTRY);
        let mut words = words(layout, IP, content(State::On, entry)).expect(layout.name);
        words[layout.words.len()..].fill(0x1234_5678);
        assert_eq!(
            layout.decode(IP, &words, State::On),
            Some(entry),
            "{}",
            layout.name
        );
    }
}

#[test]
fn unaligned_sites_are_refused() {
    for (layout, ip) in LAYOUTS
        .into_iter()
        .flat_map(|l| [1, 2, 3].map(|low| (l, IP + low)))
        .filter(|(layout, ip)| layout.width == Width::Word || ip % 2 != 0)
    {
        let entry = pointer(layout, ENTRY);
        let (off, on) = (content(State::Off, entry), content(State::On, entry));
        assert_eq!(
            stores(layout, ip, off, on),
            Err(EncodeError),
            "{}",
            layout.name
        );
        assert_eq!(
            layout.store(ip, off, on),
            Err(EncodeError),
            "{}",
            layout.name
        );
        for state in STATES {
            let words = words(layout, IP, content(state, entry)).expect(layout.name);
            assert_eq!(layout.decode(ip, &words, state), None, "{}", layout.name);
        }
    }
}

#[test]
fn targets_out_of_reach_are_refused() {
    for (layout, first, last) in [
        (&A32_MCOUNT, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&A32_PADS, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&A32_FUNC_CALL, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&A32_OPS_CALL, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&MIPS_CORE, 0x8000_0000, 0x8fff_fffc),
        (&MIPS_FUNC_CALL, 0x8000_0000, 0x8fff_fffc),
        (&MIPS_OPS_CALL, 0x8000_0000, 0x8fff_fffc),
    ] {
        for (target, reached) in [
            (first - 4, false),
            (first, true),
            (last, true),
            (last + 4, false),
            (last - 1, false),
        ] {
            let (off, on) = (content(State::Off, target), content(State::On, target));
            for (from, to) in [(off, on), (on, off)] {
                let name = layout.name;
                assert_eq!(
                    stores(layout, IP, from, to).is_ok(),
                    reached,
                    "{name} {target:#x}"
                );
                assert_eq!(
                    layout.store(IP, from, to).is_ok(),
                    reached,
                    "{name} {target:#x}"
                );
            }
        }
    }
}

#[test]
fn t32_targets_out_of_reach_are_refused() {
    const FIRST: u32 = IP + 4 - (1 << 24);
    const LAST: u32 = IP + 4 + (1 << 24) - 2;

    // As pointers to T32 code. What is none is A32 code, which only `blx` calls.
    for (address, reached) in [
        (FIRST - 2, false),
        (FIRST, true),
        (LAST, true),
        (LAST + 2, false),
    ] {
        for layout in [&T32_MCOUNT, &T32_PADS, &T32_FUNC_CALL] {
            let name = layout.name;
            let at = |target| [State::Off, State::On].map(|state| content(state, target));
            let [off, on] = at(address + 1);
            assert_eq!(
                layout.store(IP, off, on).is_ok(),
                reached,
                "{name} {address:#x}"
            );
            let [off, on] = at(address);
            let by_blx = layout.width == Width::Word && reached && address % 4 == 0;
            assert_eq!(
                layout.store(IP, off, on).is_ok(),
                by_blx,
                "{name} {address:#x}"
            );
        }
    }
}

#[test]
fn t32_tracers_can_be_a32_code() {
    let on = |target| content(State::On, target);
    let store = T32_FUNC_CALL
        .store(IP, on(ENTRY | 1), on(ENTRY))
        .unwrap()
        .unwrap();
    // blx ENTRY
    assert_eq!((store.address, store.new), (IP, 0xed5a_f019));
    let mut words = [0; MAX_WORDS];
    words[0] = store.new;
    assert_eq!(T32_FUNC_CALL.decode(IP, &words, State::On), Some(ENTRY));
}

#[test]
fn two_targets_of_a_t32_site_take_one_store_or_none() {
    let on = |target| content(State::On, target | 1);
    // The first halfword alone; none; the second one.
    let store = T32_MCOUNT.store(IP, on(ENTRY), on(ENTRY + 0x1000));
    assert_eq!(store.map(|store| store.map(|s| s.address)), Ok(Some(IP)));
    assert_eq!(T32_MCOUNT.store(IP, on(ENTRY), on(ENTRY)), Ok(None));
    for target in [ENTRY + 4, ENTRY + 0x1004, ENTRY + 0x80_0000] {
        let store = T32_MCOUNT.store(IP, on(ENTRY), on(target));
        assert_eq!(store, Err(EncodeError), "{target:#x}");
    }
}

/// Wherever a T32 site is, it gets from what it calls to the entry that saves all registers by at
/// most one store; and but for 4 KB in 4 MB both are what was asked for.
#[test]
fn every_t32_site_can_change_its_entry() {
    const WITH_REGS: u32 = ENTRY + 0x1000;

    let mut replaced = 0;
    // All sites near a multiple of 4 MB from the entry, where bits of the second halfword change.
    for boundary in -3..=3i32 {
        let middle = ENTRY.wrapping_add_signed(boundary << 22);
        for ip in (middle - 0x3000..middle + 0x3000).step_by(2) {
            let plain = T32_MCOUNT.exchangeable_target(ip, ENTRY | 1, WITH_REGS | 1);
            let [off, on] = [State::Off, State::On].map(|state| content(state, plain));
            let with_regs = content(State::On, WITH_REGS | 1);
            for (from, to) in [
                (off, on),
                (off, with_regs),
                (on, with_regs),
                (with_regs, off),
            ] {
                let store = T32_MCOUNT.store(ip, from, to);
                assert!(store.is_ok(), "{ip:#x}: {from:x?} to {to:x?}");
            }
            if plain != ENTRY | 1 {
                assert_eq!(plain, WITH_REGS | 1);
                replaced += 1;
            }
        }
    }
    // None where the offset changes its sign.
    assert_eq!(replaced, 6 * 0x1000 / 2);

    // And all others, by their distance from that multiple.
    let first = ENTRY - (1 << 24) + 0x4000;
    for ip in (first..ENTRY + (1 << 24) - 0x4000).step_by(0xffe) {
        let offset = ENTRY.wrapping_sub(ip).wrapping_sub(4) as i32;
        let (a, b) = (offset >> 22, (offset + 0x1000) >> 22);
        let expected = if a == b || (a, b) == (-1, 0) {
            ENTRY
        } else {
            WITH_REGS
        };
        let plain = T32_MCOUNT.exchangeable_target(ip, ENTRY | 1, WITH_REGS | 1);
        assert_eq!(plain, expected | 1, "{ip:#x}");
    }
}

#[test]
fn other_sites_call_what_is_asked_for() {
    for layout in LAYOUTS.into_iter().filter(|layout| !layout.splits_target()) {
        let [entry, other] = [ENTRY, MCOUNT].map(|target| pointer(layout, target));
        let target = layout.exchangeable_target(IP, entry, other);
        assert_eq!(target, entry, "{}", layout.name);
        assert!(layout.reaches(IP, entry), "{}", layout.name);
    }
    let split = LAYOUTS.into_iter().filter(|layout| layout.splits_target());
    let split: Vec<_> = split.map(|layout| layout.name).collect();
    assert_eq!(split, [T32_MCOUNT.name, MIPS_MODULE.name]);
    assert!(!T32_MCOUNT.reaches(IP, (IP + (1 << 24) + 4) | 1));
}

#[test]
fn two_targets_of_a_module_site_take_one_store_or_none() {
    let on = |target| content(State::On, target);
    let at_ip = MIPS_MODULE.store(IP, on(ENTRY), on(ENTRY + 0x1_0000));
    assert_eq!(at_ip.map(|store| store.map(|s| s.address)), Ok(Some(IP)));
    assert_eq!(MIPS_MODULE.store(IP, on(ENTRY), on(ENTRY)), Ok(None));
    // Both words; the second alone; the second, and the first by the carry.
    for target in [ENTRY + 0x1_0004, ENTRY + 4, ENTRY & !0xffff] {
        let store = MIPS_MODULE.store(IP, on(ENTRY), on(target));
        assert_eq!(store, Err(EncodeError), "{target:#x}");
    }
    let off = content(State::Off, ENTRY);
    assert_eq!(MIPS_MODULE.store(IP, off, on(ENTRY + 4)), Err(EncodeError));
    assert!(MIPS_MODULE.store(IP, off, on(ENTRY)).is_ok());
}

#[test]
fn one_store_goes_from_target_to_target() {
    for layout in LAYOUTS.into_iter().filter(|layout| !layout.splits_target()) {
        let on = |target| content(State::On, pointer(layout, target));
        let store = layout.store(IP, on(MCOUNT), on(ENTRY)).expect(layout.name);
        assert_eq!(
            store.map(|store| store.address),
            Some(IP),
            "{}",
            layout.name
        );
    }
}

/// Returns the words of an instruction pair of `layout` for `ops`, as [`words`] has them.
fn ops_words(layout: &Layout, ops: u32) -> [u32; MAX_WORDS] {
    words(layout, IP, content(State::On, ops)).expect(layout.name)
}

#[test]
fn ops_are_told_and_taken_back_by_the_stores_of_the_tables() {
    // The words when compiled or off, and on, for each ops.
    let rows: &[(&Layout, u32, [[u32; 2]; 2])] = &[
        (
            &A32_OPS,
            0xc0b5_d8a4,
            // movw r2, #0; movw r2, #0xd8a4
            // movt r2, #0; movt r2, #0xc0b5
            [[0xe300_2000, 0xe30d_28a4], [0xe340_2000, 0xe34c_20b5]],
        ),
        (
            &A32_OPS,
            0xc0b5_0000,
            [[0xe300_2000; 2], [0xe340_2000, 0xe34c_20b5]],
        ),
        (
            &A32_OPS,
            0x0000_d8a4,
            [[0xe300_2000, 0xe30d_28a4], [0xe340_2000; 2]],
        ),
        (
            &MIPS_OPS,
            0x8012_9abc,
            // lui a2, 0; lui a2, 0x8013
            // addiu a2, a2, 0; addiu a2, a2, -0x6544
            [[0x3c06_0000, 0x3c06_8013], [0x24c6_0000, 0x24c6_9abc]],
        ),
        (
            &MIPS_OPS,
            0x8012_7abc,
            [[0x3c06_0000, 0x3c06_8012], [0x24c6_0000, 0x24c6_7abc]],
        ),
        (
            &MIPS_OPS,
            0x8012_0000,
            [[0x3c06_0000, 0x3c06_8012], [0x24c6_0000; 2]],
        ),
        (
            &MIPS_OPS,
            0xffff_9abc,
            [[0x3c06_0000; 2], [0x24c6_0000, 0x24c6_9abc]],
        ),
    ];

    for &(layout, ops, table) in rows {
        let name = layout.name;
        let compiled = content(State::Compiled, 0);
        let (off, on) = (content(State::Off, 0), content(State::On, ops));
        for (from, to, columns) in [
            (compiled, off, [0, 0]),
            (off, on, [0, 1]),
            (on, off, [1, 0]),
        ] {
            let expected: Vec<_> = (IP..)
                .step_by(4)
                .zip(table)
                .map(|(address, row)| (address, columns.map(|column| row[column])))
                .filter(|(_, [old, new])| old != new)
                .map(|(address, [old, new])| Store { address, old, new })
                .collect();
            let stores = stores(layout, IP, from, to).expect(name);
            assert_eq!(*stores, *expected, "{name}: {from:x?} to {to:x?}");
        }
        for (column, state) in [(0, State::Compiled), (0, State::Off), (1, State::On)] {
            let mut words = [0xffff_ffff; MAX_WORDS];
            for (word, row) in words.iter_mut().zip(table) {
                *word = row[column];
            }
            let expected = if state == State::On { ops } else { 0 };
            let decoded = layout.decode(IP, &words, state);
            assert_eq!(decoded, Some(expected), "{name}: {state:?} {ops:#x}");
        }
    }
}

#[test]
fn two_stores_turn_a_trampoline_on_and_off() {
    for layout in OPS {
        let name = layout.name;
        let (off, on) = (content(State::Off, 0), content(State::On, ENTRY));
        for (from, to) in [(off, on), (on, off)] {
            let stores = stores(layout, IP, from, to).expect(name);
            assert_eq!(stores.len(), 2, "{name}");
            // So it is not among what may change while it is in use.
            assert_eq!(layout.store(IP, from, to), Err(EncodeError), "{name}");
        }
        assert!(layout.splits_target(), "{name}");
    }
}

#[test]
fn any_address_of_an_ops_survives_a_round_trip() {
    arbtest(|u| {
        let ip = u.arbitrary::<u32>()? & !3;
        let any = u.arbitrary()?;
        // Often with a half that is zero, or near where the lower one changes its sign.
        let edge = |half: u32, u: &mut Unstructured<'_>| {
            let edge = *u.choose(&[0, 1, 0x7fff, 0x8000, 0xffff])?;
            Ok(*u.choose(&[half & 0xffff, edge])?)
        };
        let edges = edge(any >> 16, u)? << 16 | edge(any, u)?;
        for (layout, ops) in OPS
            .into_iter()
            .flat_map(|l| [any, edges].map(|ops| (l, ops)))
        {
            let name = layout.name;
            let (off, on) = (content(State::Off, 0), content(State::On, ops));
            assert!(layout.reaches(ip, ops), "{name}");
            let compiled = words(layout, ip, content(State::Compiled, 0)).expect(name);
            let mut memory = compiled;
            for (from, to) in [(off, on), (on, off)] {
                for &store in stores(layout, ip, from, to).expect(name).iter() {
                    apply(layout, ip, &mut memory, store);
                }
                let decoded = layout.decode(ip, &memory, State::On);
                assert_eq!(decoded, Some(to.target), "{name} at {ip:#x}: {ops:#x}");
                assert_eq!(
                    memory,
                    words(layout, ip, to).expect(name),
                    "{name}: {ops:#x}"
                );
                // Off is what the ops at address 0 would be.
                let is_off = layout.decode(ip, &memory, State::Off).is_some();
                assert_eq!(is_off, to.target == 0, "{name} at {ip:#x}: {ops:#x}");
            }
            assert_eq!(memory, compiled, "{name}: {ops:#x}");
        }
        Ok(())
    });
}

#[test]
fn every_bit_of_an_ops_counts() {
    let contents = [
        content(State::Compiled, 0),
        content(State::Off, 0),
        content(State::On, ENTRY),
        content(State::On, MCOUNT),
    ];
    for (layout, content) in OPS.into_iter().flat_map(|l| contents.map(|c| (l, c))) {
        let (name, state) = (layout.name, content.state);
        let good = words(layout, IP, content).expect(name);
        let target = layout.decode(IP, &good, state);
        assert_eq!(target, Some(content.target), "{name} {state:?}");
        for (place, bit) in (0..layout.words.len()).flat_map(|p| (0..32).map(move |b| (p, b))) {
            let mut bad = good;
            bad[place] ^= 1 << bit;
            let decoded = layout.decode(IP, &bad, state);
            assert_ne!(decoded, target, "{name} {state:?}: {bad:x?}");
            // What is still on has another ops, that of these very words.
            if let Some(other) = decoded {
                assert_eq!(ops_words(layout, other), bad, "{name} {state:?}");
            }
        }
        let mut more = good;
        more[layout.words.len()..].fill(0x1234_5678);
        assert_eq!(layout.decode(IP, &more, state), target, "{name} {state:?}");
    }
}

#[test]
fn unaligned_trampolines_are_refused() {
    for (layout, ip) in OPS
        .into_iter()
        .flat_map(|l| [1, 2, 3].map(|low| (l, IP + low)))
    {
        let (off, on) = (content(State::Off, 0), content(State::On, ENTRY));
        let stores = stores(layout, ip, off, on);
        assert_eq!(stores, Err(EncodeError), "{}", layout.name);
        let decoded = layout.decode(ip, &ops_words(layout, ENTRY), State::On);
        assert_eq!(decoded, None, "{}", layout.name);
    }
}
