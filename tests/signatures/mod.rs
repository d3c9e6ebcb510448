//! What goes over the wire, against the public signature files and the recordings of real browsers, field by field.
//!
//! With `HS_SIGNATURES` and `HS_CAPTURES` set to their folders (`.ci/run` does it where they are there). Both hold files of
//! curl-impersonate's form. A difference is a fault unless it stands in [`known`] with the reason why the file, not we, is
//! wrong; one that stands there and does not show is a fault too. The same list stands in `docs/FINGERPRINTS.md`.

mod known;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hydrastream::{fingerprint, inspect};
use serde_json::Value;

use known::KNOWN;

/// Which file of `HS_SIGNATURES` shows which browser, on another platform than its own if that is named.
const SIGNATURES: [(&str, &str); 35] = [
    ("chrome_99.0.4844.51_win10", "chrome99"),
    ("chrome_99.0.4844.73_android12-pixel6", "chrome99_android"),
    ("chrome_100.0.4896.127_win10", "chrome100"),
    ("chrome_101.0.4951.67_win10", "chrome101"),
    ("chrome_104.0.5112.81_win10", "chrome104"),
    ("chrome_107.0.5304.107_win10", "chrome107"),
    ("chrome_110.0.5481.177_win10", "chrome110"),
    ("chrome_116.0.5845.180_win10", "chrome116"),
    ("chrome_119.0.6045.199_macOS", "chrome119"),
    ("chrome_120.0.6099.109_macOS", "chrome120 macos"),
    ("chrome_123.0.6312.124", "chrome123"),
    ("chrome_124.0.6367.60", "chrome124"),
    ("chrome_131.0.6778.86", "chrome131"),
    ("chrome_131.0.6778.81_android", "chrome131_android"),
    ("chrome_133.0.6943.55", "chrome133a"),
    ("chrome_136.0.7103.93", "chrome136"),
    ("chrome_142.0.7444.176", "chrome142"),
    ("chrome_150.0.7871.127_macOS", "chrome150"),
    ("edge_99.0.1150.30_win10", "edge99"),
    ("edge_101.0.1210.47_win10", "edge101"),
    ("firefox_133.0.3_linux", "firefox133"),
    ("firefox_135.0.1_linux", "firefox135"),
    ("firefox_144.0.0_linux", "firefox144"),
    ("safari_15.3_macos11.6.4", "safari153"),
    ("safari_15.5_macos12.4", "safari155"),
    ("safari_17.0_macOS", "safari170"),
    ("safari_17.2_iOS", "safari172_ios"),
    ("safari_18.0_macOS", "safari180"),
    ("safari_18.0_iOS", "safari180_ios"),
    ("safari_18.4_macOS", "safari184"),
    ("safari_18.4_iOS", "safari184_ios"),
    ("safari_26.0_macOS", "safari260"),
    ("safari_26.0.1_macOS", "safari2601"),
    ("safari_26.0_iOS", "safari260_ios"),
    ("tor_14.5_macOS", "tor145"),
];

/// Which file of `HS_CAPTURES` shows which browser; first those that were recorded from curl_cffi.
const CAPTURES: [(&str, &str); 20] = [
    ("curl_cffi/chrome99", "chrome99"),
    ("curl_cffi/chrome99_android", "chrome99_android"),
    ("curl_cffi/chrome100", "chrome100"),
    ("curl_cffi/chrome101", "chrome101"),
    ("curl_cffi/chrome104", "chrome104"),
    ("curl_cffi/chrome107", "chrome107"),
    ("curl_cffi/chrome110", "chrome110"),
    ("curl_cffi/chrome116", "chrome116"),
    ("curl_cffi/chrome145", "chrome145"),
    ("curl_cffi/chrome146", "chrome146"),
    ("curl_cffi/edge99", "edge99"),
    ("curl_cffi/edge101", "edge101"),
    ("curl_cffi/firefox147", "firefox147"),
    ("curl_cffi/safari153", "safari153"),
    ("curl_cffi/safari155", "safari155"),
    ("chromium-120.0.6099.224", "chrome120"),
    ("chromium-150.0.7871.100", "chrome150"),
    ("chromium-156.0.8078.79", "chromium156"),
    ("chromium-156.0.8078.79", "chrome156"),
    ("firefox-153.7.0esr", "firefox153"),
];

#[test]
fn every_browser_is_that_of_the_public_signatures() {
    compare("HS_SIGNATURES", &SIGNATURES);
}

#[test]
fn every_browser_is_that_of_the_recordings() {
    compare("HS_CAPTURES", &CAPTURES);
}

/// Every file that exists is compared: no browser is without a source.
#[test]
fn every_browser_has_a_source() {
    let sources = SIGNATURES.iter().chain(&CAPTURES);
    let name = |browser: &'static str| browser.split(' ').next().unwrap_or_default();
    let with: BTreeSet<_> = sources.map(|(_, browser)| name(browser)).collect();
    assert_eq!(with, fingerprint::names().collect());
}

#[test]
fn the_documentation_lists_the_same_differences() {
    let page = include_str!("../../docs/FINGERPRINTS.md");
    for known in &KNOWN {
        assert!(page.contains(&known.row()), "missing row:\n{}", known.row());
    }
    let (_, table) = page.split_once("| field | files |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    assert_eq!(rows.count(), KNOWN.len(), "rows of the table");
}

/// Compares our own connections with the files of a folder that the environment names.
fn compare(variable: &str, pairs: &[(&str, &str)]) {
    let Some(folder) = std::env::var_os(variable).map(PathBuf::from) else {
        println!("skipped: {variable} names no folder");
        return;
    };
    let mut seen = BTreeMap::new();
    let mut faults = Vec::new();
    for (stem, browser) in pairs {
        let path = folder.join(format!("{stem}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{stem}: {e}"));
        let file: Value = serde_yaml_ng::from_str(&text).unwrap_or_else(|e| panic!("{stem}: {e}"));
        let ours = seen.entry(*browser).or_insert_with(|| ours(browser));
        faults.extend(differences(stem, browser, &file["signature"], ours));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a server sees of a browser of ours.
fn ours(browser: &str) -> BTreeMap<String, String> {
    let worn = match browser.split_once(' ') {
        None => fingerprint::find(browser).unwrap(),
        Some((name, platform)) => fingerprint::find(name).unwrap().on(platform).unwrap(),
    };
    let connections = inspect::observe(&worn, false, 1).unwrap();
    lines::of_connection(&connections[0], worn.tls.permute_extensions)
}

/// Fields in which a file is otherwise, unless that is known; and what is known and not so.
fn differences(
    stem: &str,
    browser: &str,
    signature: &Value,
    ours: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let of_file = KNOWN.iter().filter(|known| known.concerns(stem));
    let mut known: BTreeSet<_> = of_file.map(|known| known.field).collect();
    let nothing = "nothing".to_owned();
    for (field, theirs) in lines::of_signature(signature) {
        let got = ours.get(&field).unwrap_or(&nothing);
        let excused = known.contains(field.as_str()) || is_of_its_own(stem, browser, &field);
        if *got != theirs && excused {
            known.remove(field.as_str());
        } else if *got != theirs {
            faults.push(format!(
                "{stem}, {browser}: {field}\n  file {theirs}\n  ours {got}"
            ));
        }
    }
    let gone = |field| format!("{stem}, {browser}: {field} is listed and no different");
    faults.extend(known.into_iter().map(gone));
    faults
}

/// Values that say which build of a browser it is, where a recording shows another build than the file wears.
fn is_of_its_own(stem: &str, browser: &str, field: &str) -> bool {
    let other_build = stem.starts_with("chromium-") && browser != "chromium156";
    let values = ["user-agent", "sec-ch-ua", "sec-ch-ua-platform"];
    other_build && values.iter().any(|name| field == format!("header {name}"))
}
