// SPDX-License-Identifier: GPL-2.0

//! The figures as SVG: bars, and how costs grow with the number of sites.

use std::error::Error;

use anyhow::{
    anyhow,
    Result, //
};
use plotters::{
    coord::Shift,
    prelude::*, //
};

use crate::commands::bench::figures::{
    Change,
    Row,
    Toggle, //
};

const C: RGBColor = RGBColor(0xb0, 0x5a, 0x1e);
const RUST: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);

/// Pixels.
const BAR_ROW: u32 = 26;
const WIDTH: u32 = 1000;

/// The plots go into the kernel's documentation, where every file says its licence.
const LICENCE: &str = "<!-- SPDX-License-Identifier: GPL-2.0 -->\n";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn colour(backend: &str) -> RGBColor {
    match backend {
        "C" => C,
        _ => RUST,
    }
}

/// Returns what `draw` draws as SVG.
fn svg(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error>>) -> Result<String> {
    let mut svg = LICENCE.to_owned();
    let drawn = || -> Result<(), Box<dyn Error>> {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
        Ok(())
    };
    drawn().map_err(|e| anyhow!("cannot draw a plot: {e}"))?;
    Ok(svg)
}

/// Draws both backends' bars for each figure that is a number of instructions.
pub fn figures(machine: &str, rows: &[Row]) -> Result<String> {
    let rows: Vec<_> = rows.iter().filter(|r| !r.title.contains("bytes")).collect();
    let values = || rows.iter().flat_map(|r| [r.c, r.rust]).flatten();
    let end = values().fold(10.0, f64::max) * 2.0;
    let count = rows.len();
    let height = BAR_ROW * u32::try_from(count)? + 110;
    svg(height, |area| {
        let title = format!("{machine}: instructions, C and Rust backend");
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(380)
            .build_cartesian_2d((1.0..end).log_scale(), (0..count).into_segmented())?;
        let name = |at: &SegmentValue<usize>| match at {
            // The axis has one row more than there are figures.
            SegmentValue::CenterOf(i) => (count - 1)
                .checked_sub(*i)
                .and_then(|i| rows.get(i))
                .map_or(String::new(), |r| r.title.clone()),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .y_labels(count)
            .y_label_formatter(&name)
            .x_label_formatter(&|x| super::figures::readable(*x))
            .disable_y_mesh()
            .draw()?;
        for (backend, offset) in [("C", 0), ("Rust", 1)] {
            let bars = rows.iter().enumerate().filter_map(|(i, row)| {
                let value = if backend == "C" { row.c } else { row.rust }?;
                let at = count - 1 - i;
                let corners = [
                    (1.0, SegmentValue::Exact(at)),
                    (value.max(1.0), SegmentValue::Exact(at + 1)),
                ];
                let mut bar = Rectangle::new(corners, colour(backend).filled());
                // The first backend's bar is the upper half of the row.
                let (top, bottom) = if offset == 0 {
                    (3, BAR_ROW / 2)
                } else {
                    (BAR_ROW / 2, 3)
                };
                bar.set_margin(top, bottom, 0, 0);
                Some(bar)
            });
            chart
                .draw_series(bars)?
                .label(backend)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour(backend).filled())
                });
        }
        chart
            .configure_series_labels()
            // Calls are in the middle, and their bars are short.
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        Ok(())
    })
}

/// Draws what turning sites on takes against their number: in all, and with the CPUs
/// stopped.
pub fn sites(machine: &str, backends: &[(&str, &[Toggle])]) -> Result<String> {
    let parts = ["backend's part", "CPUs stopped"];
    let part_of = |part, change: &Change| match part {
        0 => Some(change.backend),
        _ => change.stopped,
    };
    let all = || backends.iter().flat_map(|(_, toggles)| toggles.iter());
    let sites = all().map(|t| t.sites).fold(10.0, f64::max) * 1.5;
    let end = all().map(|t| t.on.backend).fold(10.0, f64::max) * 2.0;
    svg(600, |area| {
        let title = format!("{machine}: instructions to enable a number of sites");
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(10)
            .x_label_area_size(45)
            .y_label_area_size(110)
            .build_cartesian_2d((1.0..sites).log_scale(), (100.0..end).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("sites")
            .x_label_formatter(&|x| super::figures::readable(*x))
            .y_label_formatter(&|y| super::figures::readable(*y))
            .draw()?;
        for (backend, toggles) in backends {
            for (i, part) in parts.iter().enumerate() {
                let points: Vec<_> = toggles
                    .iter()
                    .filter_map(|t| Some((t.sites, part_of(i, &t.on)?)))
                    .collect();
                if points.is_empty() {
                    continue;
                }
                let style = colour(backend).stroke_width(if i == 0 { 3 } else { 1 });
                chart
                    .draw_series(LineSeries::new(points, style).point_size(3))?
                    .label(format!("{backend}: {part}"))
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_bars() {
        let row = |title: &str, c| Row {
            title: title.into(),
            c,
            rust: Some(40.0),
        };
        let rows = [
            row("one ops", Some(138.0)),
            row("only Rust", None),
            row("bytes of text", Some(1e6)),
        ];
        let svg = figures("arm", &rows).unwrap();
        assert!(svg.starts_with(LICENCE));
        for text in ["one ops", "only Rust", "arm: instructions"] {
            assert_eq!(svg.matches(text).count(), 1, "{text}: {svg}");
        }
        assert!(!svg.contains("bytes of text"));
        // Two and one, and one in the legend for each backend.
        let bars = |colour: &str| svg.matches(&format!("fill=\"#{colour}\"")).count();
        assert_eq!((bars("B05A1E"), bars("1F5FA8")), (2, 3));
    }

    #[test]
    fn every_part_that_there_is_has_a_line() {
        let change = |stopped| Change {
            total: 5e6,
            backend: 4e6,
            stopped,
        };
        let toggles = |stopped| {
            [1.0, 18_000.0].map(|sites| Toggle {
                sites,
                on: change(stopped),
                off: change(stopped),
            })
        };
        let (c, rust) = (toggles(None), toggles(Some(1e5)));
        let svg = sites("mips", &[("C", &c), ("Rust", &rust)]).unwrap();
        assert!(svg.starts_with(LICENCE));
        for text in ["C: backend", "Rust: backend", "Rust: CPUs stopped"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(!svg.contains("C: CPUs stopped"));
    }
}
