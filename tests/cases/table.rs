//! `docs/RELIABILITY.md`: the cases, their variants and their tests, as the descriptions have them.
