// SPDX-License-Identifier: GPL-2.0

//! What is put before the checker: the backend as it is, the C backends, and mistakes.

mod backends;
mod mistakes;
mod parts;

pub use backends::{
    c,
    ours, //
};
pub use mistakes::mistakes;
pub use parts::Scenario;
