//! Every fingerprint goes over the wire as its file says: the comparison of `hs fingerprint check --all`.

use hydrastream::{fingerprint, inspect};

/// Connections that show a navigation; enough to see what varies.
const CONNECTIONS: usize = 20;
/// Fingerprints that are checked at once.
const AT_ONCE: usize = 2;

#[test]
fn every_fingerprint_is_worn_as_its_file_says() {
    let names: Vec<_> = fingerprint::names().collect();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let share = |nth: usize| names.iter().skip(nth).step_by(AT_ONCE);
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|nth| {
                scope.spawn(move || {
                    share(nth)
                        .filter_map(|name| check(name))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a check panicked"))
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// The report, if there is a difference.
fn check(name: &str) -> Option<String> {
    let worn = fingerprint::find(name).expect("an embedded name");
    let report = inspect::check(&worn, CONNECTIONS);
    (!report.differences.is_empty()).then(|| report.to_string())
}
