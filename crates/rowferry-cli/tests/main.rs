//! The binary as its users meet it: every test starts the real one.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod copying;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod drifting;
#[cfg(test)]
mod output;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod values;
#[cfg(test)]
mod verifying;
#[cfg(test)]
mod world;
