//! Section F, the end of it: what a file is called.

use super::case::{Case, Mode, Play};
use super::section;
use crate::common::origin::server::files::Resource;

section!(f10, f11);

const FILE: &[Mode] = &[Mode::Cold];

fn f10() -> Case {
    let url = |what, target, name| Play::of(1000).what(what).modes(FILE).named(target, name);
    Case::new(
        "F10",
        "names that leave the folder, hide, are too long, reserved, misleading or empty",
        "a safe one, the same each time",
    )
    .play(url("%2F", "/a/..%2F..%2Fup.bin", "_.._up.bin"))
    .play(url("NUL", "/a%00b.bin", "a_b.bin"))
    .play(url("a device of Windows", "/NUL.txt", "_NUL.txt"))
    .play(url(
        "dots and spaces at the ends",
        "/%20..name.bin.%20",
        "name.bin",
    ))
    .play(url(
        "right to left",
        "/photo%E2%80%AEgpj.exe",
        "photogpj.exe",
    ))
    .play(url("hidden", "/.bashrc", "bashrc"))
    .play(url("empty", "/", "download.bin"))
    .play(url("spaces alone", "/%20%20", "download.bin"))
    .play(url("one of ours", "/x.part.json", "x_part.json"))
    .play(url("other letters", "/%E6%96%87.txt", "文.txt"))
    .play(url("too long", LONG, LONG_NAME))
    .also("src/name.rs", "harmful_names_become_harmless")
}

const LONG: &str = concat!(
    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tar.gz"
);
const LONG_NAME: &str = concat!(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tar.gz"
);

fn f11() -> Case {
    let says = |what, value: &'static str, name| {
        Play::of(1000)
            .what(what)
            .modes(FILE)
            .named("/x.bin", name)
            .resource(|r: &mut Resource| r.disposition = Some(value.to_owned()))
    };
    Case::new(
        "F11",
        "Content-Disposition against its grammar",
        "read as browsers read it; filename* goes before filename",
    )
    .play(says(
        "a semicolon at the end",
        "attachment; filename=\"a.bin\";",
        "a.bin",
    ))
    .play(says(
        "spaces without quotes",
        "attachment; filename=a b c.bin",
        "a b c.bin",
    ))
    .play(says(
        "both",
        "attachment; filename=\"plain.bin\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.bin",
        "größe.bin",
    ))
    .play(says(
        "RFC 2047",
        "attachment; filename=\"=?UTF-8?B?w6QuYmlu?=\"",
        "ä.bin",
    ))
    .play(says("raw UTF-8", "attachment; filename=\"ä.bin\"", "ä.bin"))
    .play(says(
        "no closing quote",
        "attachment; filename=\"a.bin",
        "a.bin",
    ))
    .play(says(
        "up and away",
        "attachment; filename=\"../../up.bin\"",
        "_.._up.bin",
    ))
    .play(says("empty", "attachment; filename=\"\"", "x.bin"))
    .also("src/resolve/disposition.rs", "fields_as_servers_send_them")
}
