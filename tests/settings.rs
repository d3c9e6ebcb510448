//! Where settings come from: the config file, the environment, the command line; and the original's commands as it documents them.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::hs::Hs;
use crate::common::origin::server::content::{Body, Piece};
use crate::common::origin::server::script::Reply;
use crate::common::origin::{MIB, Site, Via, bytes_of};

/// Puts a config file where `hs` looks for one.
fn configure(hs: &Hs, text: &str) {
    let dir = hs.home().join(".config/hydrastream");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.toml"), text).unwrap();
}

#[test]
fn the_originals_config_file_is_understood() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    configure(
        &hs,
        "# ~/.config/hydrastream/config.toml\nthreads = 128\noutput_dir = \"~/downloads\"\nverify = true\nspeed_limit = 50.0\n\
         min-chunk-mb = 5\n",
    );
    hs.run_bare(&[&site.url("/a.bin?size=1000")]).exits(0);
    let there = fs::read(hs.home().join("downloads/a.bin")).unwrap();
    assert_eq!(there, bytes_of("/a.bin", 1000));
}

#[test]
fn the_originals_commands_work_as_they_are_written() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all("ACGT\n".repeat(1234).as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let size = packed.len();
    let site = Site::behaving(Via::Clear, move |request, reply| {
        if request.path() != "/lines.gz" {
            return reply;
        }
        let body = Body::new(vec![Piece::Bytes(packed.clone().into())]);
        assert_eq!(body.len(), size as u64);
        Reply::new(200, body)
    });
    let hs = Hs::new();
    let run = |line: &str| {
        let line = line.replace("hs ", &format!("{} ", Hs::PROGRAM));
        hs.run_program("sh", &["-c", &line])
    };
    let url = site.url("/genome.fna.gz?size=3000000");
    run(&format!("hs \"{url}\" -t 20 --output ./data")).exits(0);
    let there = fs::read(hs.home().join("data/genome.fna.gz")).unwrap();
    assert_eq!(there, bytes_of("/genome.fna.gz", 3_000_000));
    let lines = site.url("/lines.gz");
    let counted = run(&format!("hs \"{lines}\" -t 20 --stream -q | zcat | wc -l"));
    assert_eq!((counted.stdout.trim(), &*counted.stderr), ("1234", ""));
    let urls = format!(
        "{}\n{}\n",
        site.url("/a.bin?size=1000"),
        site.url("/b.bin?size=1000")
    );
    fs::write(hs.home().join("urls.txt"), urls).unwrap();
    run("hs --input urls.txt --threads 20 --output ./datasets").exits(0);
    let names = fs::read_dir(hs.home().join("datasets")).unwrap();
    let names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
    assert!(
        names.contains(&"a.bin".into()) && names.contains(&"b.bin".into()),
        "{names:?}"
    );
    let md5 = run(&format!(
        "md5sum <data/genome.fna.gz | cut -c -32 | xargs hs \"{url}\" -o again -nu -th md5 --checksum"
    ));
    md5.exits(0);
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    configure(&hs, "output = \"from-file\"\nmax-filesize = \"10K\"\n");
    let url = site.url("/a.bin?size=1000");
    let run = |line: &str| {
        let line = line.replace("hs ", &format!("{} ", Hs::PROGRAM));
        hs.run_program("sh", &["-c", &format!("{line} '{url}'")])
            .exits(0);
    };
    for (line, dir) in [
        ("hs ", "from-file"),
        ("HS_OUTPUT=from-variable hs ", "from-variable"),
        ("HS_OUTPUT=from-variable hs -o from-flag", "from-flag"),
        ("hs --no-config", "download"),
        (
            "echo 'output-dir = \"named\"' >c.toml; hs --config c.toml",
            "named",
        ),
        (
            "echo 'output_dir = \"also\"' >c.toml; HS_CONFIG=c.toml hs ",
            "also",
        ),
        (
            "mkdir -p x/hydrastream; echo 'output = \"xdg\"' >x/hydrastream/config.toml; XDG_CONFIG_HOME=$PWD/x hs ",
            "xdg",
        ),
    ] {
        run(line);
        assert!(hs.home().join(dir).join("a.bin").exists(), "{line}");
        fs::remove_dir_all(hs.home().join(dir)).unwrap();
    }
    let large = site.url("/b.bin?size=20000");
    hs.run(&[&large])
        .exits(1)
        .explains("10240 of --max-filesize");
    hs.run(&["--no-config", &large]).exits(0);
}

#[test]
fn a_mistake_in_a_file_is_named_with_file_line_and_key() {
    let hs = Hs::new();
    for (text, why) in [
        ("\nthread = 4\n", "config.toml:2: thread: no such key"),
        ("threads = \"many\"\n", "config.toml:1: threads: is string"),
        ("threads = 0\n", "config.toml:1: threads: `0` is not"),
        ("# x\nretries = -1\n", "config.toml:2: retries: `-1` is not"),
        ("threads 4\n", "config.toml:1: "),
    ] {
        configure(&hs, text);
        hs.run(&["http://localhost:1/x"]).exits(2).explains(why);
    }
    hs.run(&["--config", "/no/such.toml", "http://localhost:1/x"])
        .exits(2)
        .explains("/no/such.toml");
}

#[test]
fn a_mistake_in_the_environment_is_named_with_its_variable() {
    let hs = Hs::new();
    for (variable, why) in [
        ("HS_THREADS=0", "HS_THREADS: `0` is not"),
        ("HS_STREAM=perhaps", "HS_STREAM: `perhaps`"),
        (
            "HS_BROWSER=chrom120",
            "HS_BROWSER: no fingerprint is called `chrom120`",
        ),
    ] {
        let line = format!("{variable} {} http://localhost:1/x", Hs::PROGRAM);
        hs.run_program("sh", &["-c", &line]).exits(2).explains(why);
    }
}

#[test]
fn what_is_nearly_right_is_offered() {
    let hs = Hs::new();
    let url = "http://localhost:1/x";
    for (arguments, near) in [
        (["--thread", "4"], "--threads"),
        (["--on-conflict", "overwrit"], "overwrite"),
        (["-B", "chrom120"], "chrome120"),
        (["-th", "sha265"], "sha256"),
    ] {
        let done = hs.run(&[arguments[0], arguments[1], url]).exits(2);
        let hint = done.stderr.lines().last().unwrap();
        assert!(
            hint.starts_with("hint: ") && hint.contains(near),
            "{hint:?}"
        );
    }
}

#[test]
fn without_anything_the_usage_is_said() {
    let hs = Hs::new();
    hs.run_bare(&[]).exits(2).says("Usage: hs").says("--help");
    let done = hs.run_bare(&["fingerprint"]);
    done.exits(2).says("list, show NAME, check NAME or record");
    let done = hs.run_bare(&["example.org/file"]);
    done.exits(2).says("it has no scheme").says("put https://");
}

#[test]
fn the_long_help_fits_a_terminal_of_eighty_columns() {
    let help = Hs::new().run_bare(&["--help"]).stdout;
    let (_, examples) = help.split_once("Examples:").unwrap();
    for line in examples.lines() {
        assert!(line.chars().count() < 80, "{line:?}");
    }
    // What is wrapped by hand is not wrapped again.
    assert!(
        examples.contains("\n  130, 143   interrupted; "),
        "{examples}"
    );
}

#[test]
fn chunks_are_no_smaller_than_was_said() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let requests = |option: &str| {
        let before = site.exchanges().len();
        let url = site.url(&format!("/{option}.bin?size={}", 16 * MIB));
        hs.run(&["-t", "8", "--min-chunk-mb", option, &url])
            .exits(0);
        site.settle().exchanges().len() - before
    };
    let (large, small) = (requests("16"), requests("1"));
    assert!(
        large < small,
        "{large} requests of 16 MiB, {small} of 1 MiB"
    );
    assert!(large <= 2, "{large}");
}

#[test]
fn verification_can_be_asked_for_again() {
    let site = Site::behaving(Via::Clear, |_, reply| {
        reply.with("X-Goog-Hash", "md5=XrY7u+Ae7tCTyyK7j1rNww==")
    });
    let hs = Hs::new();
    configure(&hs, "verify = false\n");
    let url = site.url("/a.bin?size=1000");
    hs.run(&["-O", "one", &url]).exits(0);
    hs.run(&["-O", "two", "-V", &url]).exits(3);
    hs.run(&["-O", "three", "--no-config", &url]).exits(3);
}

#[test]
fn a_stream_asks_for_no_more_than_its_buffer_holds() {
    let site = Site::new(Via::Clear);
    let hs = Hs::new();
    let url = site.url(&format!("/a.bin?size={}", 400 * MIB));
    let hs_line = format!("{} -s -q -t 4 -b 16 '{url}'", Hs::PROGRAM);
    let line = format!("{hs_line} | (sleep 5; head -c 1000000 >/dev/null)");
    hs.run_program("sh", &["-c", &line]).exits(0);
    let sent = site.settle().sent();
    assert!(sent < 40 * MIB, "{sent} bytes were sent");
}

#[test]
fn the_browser_says_that_it_runs_on_the_system_that_was_named() {
    let site = Site::new(Via::Http1);
    let hs = Hs::trusting(&site);
    let url = site.url("/a.bin?size=1000");
    hs.run(&["-B", "chrome120", "--platform", "windows", &url])
        .exits(0);
    let asked = site.settle().exchanges().remove(0).request;
    assert_eq!(asked.header("sec-ch-ua-platform"), Some("\"Windows\""));
    hs.run(&["-B", "chrome120", "--platform", "plan9", &url])
        .exits(2)
        .explains("--platform: ");
}
