//! No option without a test, a line in the manual page, a row in the README and a completion in every shell.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use hydrastream::cli::Cli;
use hydrastream::cli::manual::{self, Shell};

/// For each option, the test that fails when it is passed over: its file and its name.
const TESTS: &[(&str, &str, &str)] = &[
    (
        "input",
        "tests/batch.rs",
        "a_list_has_urls_comments_and_objects",
    ),
    (
        "output",
        "tests/settings.rs",
        "the_command_line_wins_over_the_environment_and_that_over_the_file",
    ),
    (
        "out",
        "tests/files.rs",
        "a_name_that_the_user_gives_is_the_files_name",
    ),
    (
        "on-conflict",
        "tests/files.rs",
        "what_lies_there_is_kept_skipped_replaced_or_stepped_around",
    ),
    (
        "mirror",
        "tests/mirrors.rs",
        "ranges_come_from_all_sources_at_once",
    ),
    (
        "threads",
        "tests/download.rs",
        "one_thread_means_one_request",
    ),
    ("limit", "tests/flow.rs", "a_rate_is_kept_and_smooth"),
    (
        "min-chunk-mb",
        "tests/settings.rs",
        "chunks_are_no_smaller_than_was_said",
    ),
    (
        "max-filesize",
        "tests/files.rs",
        "a_file_that_is_too_large_is_refused_before_a_byte_is_kept",
    ),
    (
        "accept-html",
        "tests/files.rs",
        "a_page_instead_of_the_file_is_refused_unless_it_is_welcome",
    ),
    (
        "dry-run",
        "tests/dry_run.rs",
        "a_failure_has_its_place_and_its_exit_code",
    ),
    (
        "stream",
        "tests/settings.rs",
        "the_originals_commands_work_as_they_are_written",
    ),
    (
        "buffer",
        "tests/settings.rs",
        "a_stream_asks_for_no_more_than_its_buffer_holds",
    ),
    (
        "stream-chunk-mb",
        "tests/stream.rs",
        "a_stream_that_is_begun_again_ends_although_ranges_are_ignored_by_then",
    ),
    (
        "checksum",
        "tests/verify.rs",
        "a_checksum_may_name_its_algorithm",
    ),
    (
        "typehash",
        "tests/verify.rs",
        "every_algorithm_is_known_and_right",
    ),
    (
        "verify",
        "tests/settings.rs",
        "verification_can_be_asked_for_again",
    ),
    (
        "no-verify",
        "tests/checksums.rs",
        "without_verification_only_the_users_own_checksum_counts",
    ),
    (
        "sidecar",
        "tests/checksums.rs",
        "a_sidecar_that_never_answers_holds_nothing_up_for_long",
    ),
    (
        "manifest",
        "tests/batch.rs",
        "a_manifest_is_what_sha256sum_checks",
    ),
    (
        "browser",
        "tests/wire.rs",
        "three_requests_divide_a_file_as_the_browser_does",
    ),
    (
        "platform",
        "tests/settings.rs",
        "the_browser_says_that_it_runs_on_the_system_that_was_named",
    ),
    (
        "header",
        "tests/options_net.rs",
        "headers_are_added_replaced_and_removed_where_the_browser_has_them",
    ),
    (
        "referer",
        "tests/options_net.rs",
        "a_referer_stands_where_the_browser_has_it_and_the_request_says_how_it_is_related",
    ),
    (
        "user-agent",
        "tests/options_net.rs",
        "a_user_agent_is_worn_and_one_that_does_not_fit_is_warned_of_once",
    ),
    (
        "connections",
        "tests/options_net.rs",
        "connections_are_as_many_as_was_said",
    ),
    (
        "http1.1",
        "tests/options_net.rs",
        "a_version_of_http_can_be_demanded",
    ),
    (
        "http2",
        "tests/options_net.rs",
        "a_version_of_http_can_be_demanded",
    ),
    (
        "proxy",
        "tests/options_way.rs",
        "credentials_of_a_proxy_go_to_the_proxy_alone",
    ),
    (
        "noproxy",
        "tests/options_way.rs",
        "the_environment_names_proxies_and_exceptions",
    ),
    (
        "resolve",
        "tests/options_net.rs",
        "a_host_can_be_given_an_address",
    ),
    (
        "ipv4",
        "tests/options_net.rs",
        "the_version_of_ip_and_the_interface_are_kept_to",
    ),
    (
        "ipv6",
        "tests/options_net.rs",
        "the_version_of_ip_and_the_interface_are_kept_to",
    ),
    (
        "interface",
        "tests/options_net.rs",
        "the_version_of_ip_and_the_interface_are_kept_to",
    ),
    (
        "user",
        "tests/options_net.rs",
        "credentials_are_sent_at_once_where_the_browser_puts_them",
    ),
    (
        "netrc",
        "tests/options_net.rs",
        "a_netrc_says_who_logs_in_where",
    ),
    (
        "netrc-file",
        "tests/options_net.rs",
        "a_netrc_says_who_logs_in_where",
    ),
    ("bearer", "tests/options_net.rs", "a_bearer_token_is_sent"),
    (
        "cookies",
        "tests/options_net.rs",
        "cookies_come_from_a_file_and_go_to_one",
    ),
    (
        "cookie-jar",
        "tests/options_net.rs",
        "cookies_come_from_a_file_and_go_to_one",
    ),
    (
        "cacert",
        "tests/options_way.rs",
        "nobody_is_trusted_without_a_reason",
    ),
    (
        "cert",
        "tests/options_way.rs",
        "who_is_asked_for_a_certificate_shows_it",
    ),
    (
        "key",
        "tests/options_way.rs",
        "who_is_asked_for_a_certificate_shows_it",
    ),
    (
        "insecure",
        "tests/options_way.rs",
        "nobody_is_trusted_without_a_reason",
    ),
    (
        "pinnedpubkey",
        "tests/options_way.rs",
        "a_key_can_be_pinned",
    ),
    (
        "retries",
        "tests/flow.rs",
        "a_named_number_of_retries_is_made_even_where_nothing_ever_answered",
    ),
    (
        "connect-timeout",
        "tests/patience.rs",
        "a_connection_that_is_not_made_is_given_up_in_time",
    ),
    (
        "stall-timeout",
        "tests/patience.rs",
        "a_body_that_stops_is_given_up_in_time",
    ),
    (
        "max-retry-after",
        "tests/patience.rs",
        "a_server_may_not_ask_for_more_patience_than_there_is",
    ),
    (
        "give-up-after",
        "tests/flow.rs",
        "silence_ends_a_file_after_a_while",
    ),
    (
        "no-ui",
        "src/config/tests.rs",
        "a_terminal_has_bars_unless_lines_are_wanted",
    ),
    ("quiet", "tests/download.rs", "quiet_is_silent"),
    (
        "json",
        "tests/json_lines.rs",
        "a_download_is_told_from_beginning_to_end",
    ),
    (
        "debug",
        "tests/dry_run.rs",
        "the_text_says_the_same_and_names_where_settings_come_from",
    ),
    (
        "log-file",
        "tests/faces.rs",
        "the_log_can_be_elsewhere_or_nowhere",
    ),
    (
        "config",
        "tests/settings.rs",
        "the_command_line_wins_over_the_environment_and_that_over_the_file",
    ),
    (
        "no-config",
        "tests/settings.rs",
        "the_command_line_wins_over_the_environment_and_that_over_the_file",
    ),
    (
        "version",
        "tests/errors.rs",
        "help_and_version_are_what_was_asked_for",
    ),
];

/// An option, as it is typed.
struct Typed {
    long: String,
    short: Option<char>,
}

/// All that clap knows, but `--help`.
fn options() -> Vec<Typed> {
    let command = Cli::command();
    let options = command.get_arguments().filter_map(|argument| {
        Some(Typed {
            long: argument.get_long()?.to_owned(),
            short: argument.get_short(),
        })
    });
    options.filter(|option| option.long != "help").collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The body of a test.
fn body(path: &str, name: &str) -> String {
    let text = read(path);
    let (_, rest) = text
        .split_once(&format!("#[test]\nfn {name}("))
        .unwrap_or_else(|| panic!("{path} has no test {name}"));
    rest.split("\n}\n").next().unwrap().to_owned()
}

/// Whether the option is typed in this text, in one of its forms and not as the beginning of another.
fn is_typed(text: &str, option: &Typed) -> bool {
    let ends =
        |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let has = |form: &str| {
        text.match_indices(form)
            .any(|(at, _)| ends(&text[at + form.len()..]))
    };
    let short = option.short.map(|short| format!("-{short}"));
    let two = match option.long.as_str() {
        "typehash" => Some("-th"),
        "no-ui" => Some("-nu"),
        _ => None,
    };
    has(&format!("--{}", option.long))
        || short.is_some_and(|short| has(&short))
        || two.is_some_and(has)
}

#[test]
fn every_option_has_a_test_that_types_it() {
    let options = options();
    for option in &options {
        let row = TESTS.iter().find(|(long, ..)| *long == option.long);
        let Some((_, path, name)) = row else {
            panic!("--{} has no test in the table", option.long);
        };
        assert!(
            is_typed(&body(path, name), option),
            "{path}: {name} does not type --{}",
            option.long
        );
    }
    for (long, ..) in TESTS {
        assert!(
            options.iter().any(|option| option.long == *long),
            "--{long} is no option"
        );
    }
}

#[test]
fn every_option_is_in_the_manual_the_readme_and_the_completions() {
    let page = String::from_utf8(manual::page().unwrap())
        .unwrap()
        .replace("\\-", "-");
    let readme = read("README.md");
    let rows: String = readme
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let shells = [
        Shell::Bash,
        Shell::Zsh,
        Shell::Fish,
        Shell::Elvish,
        Shell::PowerShell,
    ];
    let scripts = shells.map(|shell| String::from_utf8(manual::completions(shell)).unwrap());
    for option in options() {
        let long = Typed {
            short: None,
            long: option.long.clone(),
        };
        assert!(
            is_typed(&page, &long),
            "the manual page lacks --{}",
            option.long
        );
        assert!(
            is_typed(&rows, &long),
            "the table of the README lacks --{}",
            option.long
        );
        for (shell, script) in shells.iter().zip(&scripts) {
            let fish = format!("-l {}", option.long);
            assert!(
                is_typed(script, &long) || script.contains(&fish),
                "{shell:?} does not complete --{}",
                option.long
            );
        }
    }
}
