// SPDX-License-Identifier: GPL-2.0

//! Numbers in variables of `make`.

use std::{
    ffi::OsStr,
    fmt::Display,
    ops::RangeInclusive,
    str::FromStr, //
};

use clap::{
    builder::TypedValueParser,
    error::ErrorKind,
    Arg,
    Command,
    Error, //
};

/// Reads a number of this range. An error names the variable: users of `make` know no options.
#[derive(Clone)]
pub struct Number<T>(pub RangeInclusive<T>);

impl<T> TypedValueParser for Number<T>
where
    T: FromStr + Display + PartialOrd + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, _: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let number = value.to_str().and_then(|text| text.parse().ok());
        number
            .filter(|number| self.0.contains(number))
            .ok_or_else(|| {
                let variable = arg.and_then(Arg::get_env).unwrap_or_default();
                let (least, most) = (self.0.start(), self.0.end());
                let problem = format!(
                    "{}={} is no whole number from {least} to {most}\n",
                    variable.display(),
                    value.display()
                );
                Error::raw(ErrorKind::ValueValidation, problem)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<u8, String> {
        let arg = Arg::new("toggles").long("toggles").env("TOGGLES");
        let command = Command::new("check");
        Number(1..=100)
            .parse_ref(&command, Some(&arg), OsStr::new(value))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_error_names_the_variable_and_the_range() {
        assert_eq!(parse("100"), Ok(100));
        for value in ["abc", "0", "101", "1000", "-1", ""] {
            let error = parse(value).unwrap_err();
            let expected = format!("error: TOGGLES={value} is no whole number from 1 to 100\n");
            assert_eq!(error, expected);
        }
    }
}
