//! Tests of the merged and checked configuration.

use std::time::Duration;

use super::*;
use crate::fingerprint::headers::Edit;
use crate::hash::Algorithm;
use crate::http::{IpVersion, Protocol};
use crate::report::Style;
use crate::sink::OnConflict;

/// The configuration of a command line, in surroundings without anything.
fn config(line: &str) -> Result<Config, Error> {
    within(line, &[], false)
}

fn within(line: &str, variables: &[(&str, &str)], terminal: bool) -> Result<Config, Error> {
    let cli = Cli::parse_from_args(line.split(' ').map(Into::into)).unwrap();
    let text = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let around = Surroundings {
        variables: variables.iter().map(text).collect(),
        terminal,
        screen: terminal,
        today: 20_000,
    };
    Config::read(&cli, &around)
}

#[test]
fn defaults_hold_until_a_flag_says_otherwise() {
    let plain = config("hs http://h/f").unwrap();
    assert_eq!(plain.files.dir.to_str(), Some("download"));
    assert_eq!(
        (plain.limits.threads, plain.report.style),
        (None, Style::Plain)
    );
    assert_eq!(plain.fingerprint.browser.name, "chrome120");
    assert_eq!(plain.files.on_conflict, OnConflict::Resume);
    assert_eq!(
        (plain.retry.retries, plain.retry.stall_timeout),
        (10, Duration::from_secs(30))
    );
    assert_eq!(plain.retry.give_up_after, Some(Duration::from_secs(600)));
    assert!(
        plain.checksums.algorithms.is_empty() && plain.checksums.verify && plain.stream.is_none()
    );
    let flags = config("hs http://h/f -o d -t 7 -q -th SHA256 --on-conflict skip").unwrap();
    assert_eq!(flags.files.dir.to_str(), Some("d"));
    assert_eq!(
        (flags.limits.threads, flags.report.style),
        (Some(7), Style::Quiet)
    );
    assert_eq!(flags.checksums.algorithms, [Algorithm::Sha256]);
    assert_eq!(flags.files.on_conflict, OnConflict::Skip);
    let several = config("hs http://h/f -th md5,SHA-256 -N --sidecar").unwrap();
    assert_eq!(
        several.checksums.algorithms,
        [Algorithm::Md5, Algorithm::Sha256]
    );
    assert!(!several.checksums.verify && several.checksums.sidecar);
    assert!(config("hs http://h/f -N -V").unwrap().checksums.verify);
}

#[test]
fn every_value_of_the_network_is_read() {
    let net = config(
        "hs http://h/f --http2 -6 -u me:a:b -x h:1 --noproxy * --resolve H:443:1.2.3.4,[::1] --interface lo \
         -H X-A:1 -H X-B: -H X-C; -e http://r/ -A me -k",
    )
    .unwrap()
    .net;
    assert_eq!(
        (net.http, net.ip),
        (Some(Protocol::Http2), Some(IpVersion::V6))
    );
    assert_eq!(net.user, Some(("me".into(), Some("a:b".into()))));
    assert_eq!(net.proxies.https.unwrap().as_str(), "http://h:1/");
    let addresses = vec!["1.2.3.4".parse().unwrap(), "::1".parse().unwrap()];
    assert_eq!(net.resolve, [("h".to_owned(), 443, addresses)]);
    let header = |name: &str, value: Option<&str>| Edit {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    let expected = [
        header("User-Agent", Some("me")),
        header("X-A", Some("1")),
        header("X-B", None),
        header("X-C", Some("")),
    ];
    assert_eq!(net.headers, expected);
    assert!(net.insecure);
}

#[test]
fn the_last_layer_wins() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hydrastream/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(
        &file,
        "threads = 1\nretries = 2\nbuffer = 20\nstream-chunk-mb = 7\nbearer = \"secret\"\n",
    )
    .unwrap();
    let home = dir.path().to_str().unwrap();
    let around = [
        ("XDG_CONFIG_HOME", home),
        ("HS_RETRIES", "3"),
        ("HS_THREADS", "4"),
    ];
    let merged = within("hs http://h/f -t 5", &around, false).unwrap();
    assert_eq!((merged.limits.threads, merged.retry.retries), (Some(5), 3));
    let said: Vec<_> = merged
        .settings
        .iter()
        .map(|s| (s.name, s.value.as_str(), s.origin.as_str()))
        .collect();
    assert!(said.contains(&("threads", "5", "--threads")), "{said:?}");
    assert!(said.contains(&("retries", "3", "HS_RETRIES")), "{said:?}");
    let line = format!("{}:4: stream-chunk-mb", file.display());
    assert!(said.contains(&("stream-chunk-mb", "7", &line)), "{said:?}");
    assert!(said.contains(&("min-chunk-mb", "1", "default")), "{said:?}");
    assert!(
        said.iter()
            .any(|&(name, value, _)| (name, value) == ("bearer", "…")),
        "{said:?}"
    );
    let without = within("hs http://h/f --no-config", &around, false).unwrap();
    assert_eq!(
        (without.limits.threads, without.net.bearer),
        (Some(4), None)
    );
}

#[test]
fn the_environment_is_held_to_its_form() {
    let error = within("hs http://h/f", &[("HS_THREADS", "0")], false).unwrap_err();
    assert!(
        error.to_string().starts_with("HS_THREADS: `0` is not"),
        "{error}"
    );
    let error = within("hs http://h/f", &[("HS_STREAM", "perhaps")], false).unwrap_err();
    assert!(
        error.to_string().starts_with("HS_STREAM: `perhaps`"),
        "{error}"
    );
    let near = within(
        "hs http://h/f",
        &[("HS_THREAD", "4"), ("HS_XYZZY", "1")],
        false,
    )
    .unwrap();
    assert_eq!(
        near.warnings,
        ["HS_THREAD is no setting; did you mean HS_THREADS?"]
    );
    let config = within(
        "hs http://h/f",
        &[("HS_HEADER", "A: 1\nB: 2"), ("HS_NO_VERIFY", "1")],
        false,
    )
    .unwrap();
    assert_eq!(config.net.headers.len(), 2);
    assert!(!config.checksums.verify);
}

#[test]
fn the_home_directory_is_expanded() {
    let around = [("HOME", "/home/me")];
    let dir = |line: &str| within(line, &around, false).unwrap().files.dir;
    assert_eq!(dir("hs http://h/f -o ~/d").to_str(), Some("/home/me/d"));
    assert_eq!(dir("hs http://h/f -o ~").to_str(), Some("/home/me"));
    assert_eq!(dir("hs http://h/f -o ~you/d").to_str(), Some("~you/d"));
}

#[test]
fn the_log_is_beside_the_files_or_in_the_state_directory() {
    let log = |line: &str| {
        let config = within(line, &[("HOME", "/home/me")], false).unwrap();
        config.report.log.map(|path| path.display().to_string())
    };
    assert_eq!(log("hs http://h/f -o d").as_deref(), Some("d/download.log"));
    let state = Some("/home/me/.local/state/hydrastream/download.log");
    assert_eq!(log("hs http://h/f -s").as_deref(), state);
    assert_eq!(log("hs http://h/f --dry-run").as_deref(), state);
    assert_eq!(log("hs http://h/f --log-file none"), None);
    assert_eq!(
        log("hs http://h/f --log-file ~/l").as_deref(),
        Some("/home/me/l")
    );
}

#[test]
fn a_terminal_gets_no_stream_but_a_verification() {
    let refused = within("hs http://h/f -s", &[], true).unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    let checked = "hs http://h/f -s --checksum md5:d41d8cd98f00b204e9800998ecf8427e -b 16";
    for terminal in [false, true] {
        let stream = within(checked, &[], terminal).unwrap().stream.unwrap();
        assert_eq!((stream.buffer, stream.discard), (Some(16 << 20), terminal));
    }
    assert!(config("hs http://h/f -s").is_ok());
    assert!(within("hs http://h/f", &[], true).is_ok());
}

#[test]
fn wrong_values_are_usage_errors_that_say_what_would_be_right() {
    for (line, part) in [
        ("hs", "no URL"),
        ("hs ftp://h/f", "`ftp`"),
        ("hs nonsense", "not a URL"),
        ("hs http://h/f -B chrom120", "chrom120"),
        ("hs http://h/f --checksum abc", "--checksum"),
        ("hs http://h/f -th sha257", "sha257"),
        ("hs http://h/f --cacert /nonexistent", "/nonexistent"),
        (
            "hs http://h/a http://h/b --checksum d41d8cd98f00b204e9800998ecf8427e",
            "single URL",
        ),
        ("hs http://h/a http://h/b -O x", "--out: needs a single URL"),
        (
            "hs -i list --mirror http://m/",
            "--mirror: needs a single URL",
        ),
        ("hs http://h/f -O a/b", "--out: `a/b` is not a file name"),
        ("hs http://h/f -O ..", "--out: `..`"),
        (
            "hs http://h/f -t 0",
            "--threads: `0` is not auto or a whole number from 1 to 128",
        ),
        ("hs http://h/f -t 129", "--threads"),
        ("hs http://h/f -b 15", "--buffer"),
        ("hs http://h/f -l 0", "--limit"),
        ("hs http://h/f --min-chunk-mb 0", "--min-chunk-mb"),
        ("hs http://h/f --stream-chunk-mb 0", "--stream-chunk-mb"),
        ("hs http://h/f --connections 0", "--connections"),
        ("hs http://h/f --max-filesize big", "--max-filesize: `big`"),
        ("hs http://h/f --retries 1.5", "--retries"),
        ("hs http://h/f --connect-timeout 0", "--connect-timeout"),
        ("hs http://h/f --give-up-after soon", "--give-up-after"),
        ("hs http://h/f --on-conflict skp", "--on-conflict: `skp`"),
        ("hs http://h/f -H nothing", "--header: `nothing`"),
        ("hs http://h/f -x ftp://p", "--proxy"),
        ("hs http://h/f --resolve h:1", "--resolve"),
        (
            "hs http://h/f --key /dev/null",
            "--key: there is no certificate",
        ),
        ("hs http://h/f --pinnedpubkey sha256//x", "--pinnedpubkey"),
        (
            "hs http://h/f -u a --bearer b",
            "--bearer: --user is given too",
        ),
        ("hs http://h/f --config /nonexistent", "/nonexistent"),
    ] {
        let error = config(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(part), "{line}: {error}");
        assert!(error.hint().is_some(), "{line}");
    }
}

#[test]
fn the_nearest_word_is_offered() {
    for (line, near) in [
        ("hs http://h/f --on-conflict overwrit", "overwrite"),
        ("hs http://h/f -th sha265", "sha256"),
        ("hs http://h/f -B chrom120", "chrome120"),
    ] {
        let hint = config(line).unwrap_err().hint().unwrap();
        assert!(hint.contains(near), "{line}: {hint}");
    }
}

#[test]
fn secrets_are_not_shown() {
    for line in [
        "hs ftp://me:secret@h/f",
        "hs http://h/f -x ftp://me:secret@h",
        "hs http://h/f -H Authorization(:secret",
    ] {
        let error = config(line).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn every_option_sets_something() {
    use clap::CommandFactory as _;
    for argument in Cli::command().get_arguments() {
        let name = argument.get_long().unwrap_or("urls");
        let known =
            keys::find(name).is_ok() || ["config", "no-config", "version", "help"].contains(&name);
        assert!(known, "{name}");
    }
}

#[test]
fn a_url_that_is_given_twice_is_fetched_once() {
    let config = config("hs http://h/a http://h/b http://h/a").unwrap();
    let urls: Vec<_> = config.sources.urls.iter().map(|url| url.path()).collect();
    assert_eq!(urls, ["/a", "/b"]);
}

#[test]
fn a_platform_is_another_user_agent() {
    let agent = |line: &str| config(line).map(|it| it.fingerprint.values["user_agent"].clone());
    for (platform, system) in [
        ("linux", "(X11;"),
        ("macos", "(Macintosh;"),
        ("windows", "(Windows NT"),
    ] {
        for browser in ["chrome156", "firefox", "edge"] {
            let agent =
                agent(&format!("hs http://h/f -B {browser} --platform {platform}")).unwrap();
            assert!(agent.contains(system), "{browser} on {platform}: {agent}");
        }
    }
    let error = agent("hs http://h/f -B safari260 --platform windows").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(
        text.contains("--platform") && text.contains("only on macos"),
        "{text}"
    );
    assert_eq!(
        agent("hs http://h/f --platform beos")
            .unwrap_err()
            .exit_code(),
        2
    );
}

/// The tests' day is in October 2024.
#[test]
fn an_old_browser_that_was_chosen_is_warned_about_once() {
    let old = config("hs http://h/f -B chrome99").unwrap().warnings;
    let [warning] = &old[..] else {
        panic!("{old:?}")
    };
    assert!(
        warning.contains("chrome99") && warning.contains("chrome156"),
        "{warning}"
    );
    for fine in ["", " -B chrome123", " -B firefox153"] {
        assert!(
            config(&format!("hs http://h/f{fine}"))
                .unwrap()
                .warnings
                .is_empty(),
            "{fine}"
        );
    }
    let by_variable = within("hs http://h/f", &[("HS_BROWSER", "safari153")], false).unwrap();
    assert!(
        by_variable.warnings[0].contains("safari"),
        "{:?}",
        by_variable.warnings
    );
}
