//! What an origin, the network and the disk may do: 99 cases, each played in every variant that makes sense.
//!
//! A section is a file; a case is a function that describes it ([`case`]) and a test of its name that plays it
//! ([`drive`]): over HTTP/2 and HTTP/1.1, in the clear where that differs, to a file, to a file of which a part is there,
//! and to standard output. Each play asserts the bytes and the exit code. `docs/RELIABILITY.md` is made from the same
//! descriptions ([`table`]).
//!
//! Run one case with `cargo test --test main held::b04`.

mod case;
mod drive;
mod table;

mod a_first;
mod b_range;
mod c_identity;
mod d_redirects;
mod e_concurrency;
mod f_local;
mod f_names;

/// Lists the cases of a section, and makes a test of each.
macro_rules! section {
    ($($case:ident),* $(,)?) => {
        /// The cases of this section, in order.
        pub fn all() -> Vec<super::case::Case> {
            vec![$($case()),*]
        }

        mod held {
            $(#[test]
            fn $case() {
                super::super::drive::hold(&super::$case());
            })*
        }
    };
}
use section;
