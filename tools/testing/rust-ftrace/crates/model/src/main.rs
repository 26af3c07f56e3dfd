// SPDX-License-Identifier: GPL-2.0

//! `ftrace-model [TEXT]`: checks the scenarios that have the text in their names, all without it.

use std::process::ExitCode;

use ftrace_model::{
    check,
    scenario::{
        self,
        Scenario, //
    },
};

fn main() -> ExitCode {
    let text = std::env::args().nth(1).unwrap_or_default();
    let parts = [
        ("The Rust backend", scenario::ours()),
        ("The C backends", scenario::c()),
        ("Mistakes", scenario::mistakes()),
    ];
    let mut code = ExitCode::SUCCESS;
    for (title, scenarios) in parts {
        println!("\n{title}");
        for scenario in scenarios.iter().filter(|s| s.name.contains(&text)) {
            if !print(scenario) {
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Checks a scenario, prints what is found, and returns whether that was expected.
fn print(scenario: &Scenario) -> bool {
    let verdict = check::check(scenario);
    println!(
        "\n{}: {} states, {} properties, {:.1} s",
        scenario.name,
        verdict.states,
        scenario.system.properties.len(),
        verdict.time.as_secs_f64()
    );
    print!("{}", verdict.traces(scenario));
    let surprises = verdict.surprises(scenario);
    for surprise in &surprises {
        println!("  NOT EXPECTED: {surprise}");
    }
    surprises.is_empty()
}
