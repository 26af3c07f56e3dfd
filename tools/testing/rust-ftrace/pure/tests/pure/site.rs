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
        mips, //
    },
    site::{
        Content,
        Layout,
        OutOfReach,
        Slot,
        State,
        Store,
        A32_FUNC_CALL,
        A32_GRAPH_JUMP,
        A32_MCOUNT,
        MAX_WORDS,
        MIPS_CORE,
        MIPS_FUNC_CALL,
        MIPS_GRAPH_JUMP,
        MIPS_MODULE, //
    }, //
};

pub(crate) const LAYOUTS: [&Layout; 7] = [
    &A32_MCOUNT,
    &A32_FUNC_CALL,
    &A32_GRAPH_JUMP,
    &MIPS_CORE,
    &MIPS_MODULE,
    &MIPS_FUNC_CALL,
    &MIPS_GRAPH_JUMP,
];

const STATES: [State; 3] = [State::Compiled, State::Off, State::On];

// Within reach of each other for all instructions. The low half of `ENTRY` is negative.
const IP: u32 = 0x8010_0004;
const MCOUNT: u32 = 0x8010_4568;
const ENTRY: u32 = 0x8011_9abc;

/// `addiu $12, sp, 20`, as gcc sets `$12`.
const SET_12: u32 = 0x27ac_0014;

/// Instructions and their state, to be put into a [`Content`] with a target.
fn content(state: State, target: u32) -> Content {
    Content { state, target }
}

/// Returns the words of the site at `ip` with `content`.
fn words(layout: &Layout, ip: u32, content: Content) -> Option<[u32; MAX_WORDS]> {
    // What follows the site in memory.
    let mut words = [0xffff_ffff; MAX_WORDS];
    for (insn, word) in words.iter_mut().zip(layout.words) {
        let (pc, target) = (ip.wrapping_add_signed(word.offset), content.target);
        let slot = match content.state {
            State::Compiled => word.compiled,
            State::Off => word.off,
            State::On => word.on,
        };
        *insn = match slot {
            Slot::Insn(insn) => insn,
            Slot::Kept(list) => *list.first().unwrap_or(&SET_12),
            Slot::A32B => a32::b(pc, target)?,
            Slot::A32Bl => a32::bl(pc, target)?,
            Slot::MipsJ => mips::j(pc, target)?,
            Slot::MipsJal => mips::jal(pc, target)?,
            Slot::MipsLuiV1 => mips::lui_v1(target),
            Slot::MipsAddiuV1 => mips::addiu_v1(target),
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
        (&A32_FUNC_CALL, &[[0xeb00_1157, 0xe320_f000, 0xeb00_66ac]]),
        // b ENTRY
        (&A32_GRAPH_JUMP, &[[0xe320_f000, 0xe320_f000, 0xea00_66ac]]),
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
        // j ENTRY
        (&MIPS_GRAPH_JUMP, &[[0, 0, 0x0804_66af]]),
    ];
    assert_eq!(rows.len(), LAYOUTS.len());

    let columns = [
        content(State::Compiled, MCOUNT),
        content(State::Off, ENTRY),
        content(State::On, ENTRY),
    ];
    for &(layout, table) in rows {
        let name = layout.name;
        let first = layout.words[0].offset;
        assert_eq!(layout.words.len(), table.len(), "{name}");

        for (from, to) in [(0, 1), (1, 2), (2, 1)] {
            let expected: Vec<_> = table
                .iter()
                .zip((IP.wrapping_add_signed(first)..).step_by(4))
                .filter(|(row, _)| row[from] != row[to])
                .map(|(row, address)| Store {
                    address,
                    old: row[from],
                    new: row[to],
                })
                .collect();
            let stores = layout.stores(IP, columns[from], columns[to]).expect(name);
            let stores: Vec<_> = stores.into_iter().flatten().collect();
            assert_eq!(
                stores, expected,
                "{name}: {:x?} to {:x?}",
                columns[from], columns[to]
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

#[test]
fn one_store_at_ip_turns_a_site_on_and_off() {
    arbtest(|u| {
        let (ip, [mcount, entry]) = addresses(u)?;
        for layout in LAYOUTS {
            let name = layout.name;
            let compiled = content(State::Compiled, mcount);
            let (off, on) = (content(State::Off, entry), content(State::On, entry));
            let Some(mut memory) = words(layout, ip, compiled) else {
                assert_eq!(layout.stores(ip, compiled, off), Err(OutOfReach), "{name}");
                continue;
            };
            for store in layout
                .stores(ip, compiled, off)
                .expect(name)
                .into_iter()
                .flatten()
            {
                apply(layout, ip, &mut memory, store);
            }
            assert!(
                layout.decode(ip, &memory, State::Off).is_some(),
                "{name} {memory:x?}"
            );
            let Some(enabled) = words(layout, ip, on) else {
                assert_eq!(layout.store(ip, off, on), Err(OutOfReach), "{name}");
                assert_eq!(layout.stores(ip, off, on), Err(OutOfReach), "{name}");
                continue;
            };

            let disabled = memory;
            for (from, to, after) in [(off, on, enabled), (on, off, disabled)] {
                let store = layout.store(ip, from, to).expect(name);
                assert_eq!(store.address, ip, "{name}");
                apply(layout, ip, &mut memory, store);
                assert_eq!(memory, after, "{name} at {ip:#x}: {from:x?} to {to:x?}");
                let stores = layout.stores(ip, from, to).expect(name);
                let stores: Vec<_> = stores.into_iter().flatten().collect();
                assert_eq!(stores, [store], "{name}");
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
        for (have, want) in STATES.into_iter().flat_map(|a| STATES.map(|b| (a, b))) {
            let words = words(layout, IP, content(have, ENTRY)).expect(layout.name);
            let target = layout.decode(IP, &words, want);
            // Within `ftrace_caller` there is nothing to initialise.
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
                assert_eq!(target, Some(ENTRY), "{name}");
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
        let good = words(layout, IP, content(state, ENTRY)).expect(layout.name);
        let target = layout.decode(IP, &good, state);
        assert!(target.is_some(), "{} {state:?}", layout.name);
        for (place, word) in layout.words.iter().enumerate() {
            for bit in 0..32 {
                let mut bad = good;
                bad[place] ^= 1 << bit;
                let allowed = match word.compiled {
                    Slot::Kept(list) => list.is_empty() || list.contains(&bad[place]),
                    _ => false,
                };
                let same = layout.decode(IP, &bad, state) == target;
                assert_eq!(same, allowed, "{} {state:?}: {bad:x?}", layout.name);
            }
        }
    }
}

#[test]
fn words_behind_the_site_do_not_count() {
    for layout in LAYOUTS {
        let mut words = words(layout, IP, content(State::On, ENTRY)).expect(layout.name);
        words[layout.words.len()..].fill(0x1234_5678);
        assert_eq!(
            layout.decode(IP, &words, State::On),
            Some(ENTRY),
            "{}",
            layout.name
        );
    }
}

#[test]
fn unaligned_sites_are_refused() {
    let (off, on) = (content(State::Off, ENTRY), content(State::On, ENTRY));
    for (layout, ip) in LAYOUTS
        .into_iter()
        .flat_map(|l| [1, 2, 3].map(|low| (l, IP + low)))
    {
        assert_eq!(
            layout.stores(ip, off, on),
            Err(OutOfReach),
            "{}",
            layout.name
        );
        assert_eq!(
            layout.store(ip, off, on),
            Err(OutOfReach),
            "{}",
            layout.name
        );
        for state in STATES {
            let words = words(layout, IP, content(state, ENTRY)).expect(layout.name);
            assert_eq!(layout.decode(ip, &words, state), None, "{}", layout.name);
        }
    }
}

#[test]
fn targets_out_of_reach_are_refused() {
    for (layout, first, last) in [
        (&A32_MCOUNT, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&A32_FUNC_CALL, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&A32_GRAPH_JUMP, IP - 0x1ff_fff8, IP + 0x200_0004),
        (&MIPS_CORE, 0x8000_0000, 0x8fff_fffc),
        (&MIPS_FUNC_CALL, 0x8000_0000, 0x8fff_fffc),
        (&MIPS_GRAPH_JUMP, 0x8000_0000, 0x8fff_fffc),
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
                    layout.stores(IP, from, to).is_ok(),
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
fn two_targets_of_a_module_site_take_one_store_or_none() {
    let on = |target| content(State::On, target);
    let at_ip = MIPS_MODULE.store(IP, on(ENTRY), on(ENTRY + 0x1_0000));
    assert_eq!(at_ip.map(|store| store.address), Ok(IP));
    // Both words; the second alone; the second, and the first by the carry; none.
    for target in [ENTRY + 0x1_0004, ENTRY + 4, ENTRY & !0xffff, ENTRY] {
        let store = MIPS_MODULE.store(IP, on(ENTRY), on(target));
        assert_eq!(store, Err(OutOfReach), "{target:#x}");
    }
    let off = content(State::Off, ENTRY);
    assert_eq!(MIPS_MODULE.store(IP, off, on(ENTRY + 4)), Err(OutOfReach));
    assert!(MIPS_MODULE.store(IP, off, on(ENTRY)).is_ok());
}

#[test]
fn one_store_goes_from_target_to_target() {
    let on = |target| content(State::On, target);
    for layout in LAYOUTS
        .into_iter()
        .filter(|layout| layout.name != MIPS_MODULE.name)
    {
        let store = layout.store(IP, on(MCOUNT), on(ENTRY)).expect(layout.name);
        assert_eq!(store.address, IP, "{}", layout.name);
    }
}
