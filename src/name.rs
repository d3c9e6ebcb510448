//! Safe file names: what a server or a URL suggests becomes one path component that can do no harm.
//!
//! A suggested name is input from a stranger. It may try to leave the directory (`../`), hide (`.bashrc`), lie about
//! its type (right-to-left override), hit a device (`NUL.txt`), be too long, or pose as one of our own bookkeeping
//! files, which would let one download plant the control file of another. [`safe`] removes all of that by rewriting,
//! never by refusing, and always gives the same answer for the same input, so that a second run finds the first run's
//! file. It does not look at the disk: a name that is taken is the sink's concern, which uses [`numbered`].

/// The name that is used where nothing is left of a suggestion.
pub const FALLBACK: &str = "download.bin";

/// The longest name in bytes that [`safe`] returns: 255, the limit of common file systems, less 10 for `.part.json` and
/// 5 for ` (99)`.
pub const MAX_LEN: usize = 240;

/// Endings of our own bookkeeping files, which no downloaded file may carry.
const OWN_ENDINGS: [&str; 3] = [".part", ".part.json", ".part.new"];

/// An ending longer than this is not kept when a name is cut: it is text after a dot, not an extension.
const MAX_EXTENSION: usize = 32;

/// Rewrites a suggested name to a single path component of 1 to [`MAX_LEN`] bytes.
///
/// The result contains no separator, no control or invisible direction character and none of `*?:"<>|`; it neither
/// begins with a dot or a space nor ends with one; it is no device name of Windows and no bookkeeping file of ours.
/// Idempotent. An empty result becomes [`FALLBACK`].
#[must_use]
pub fn safe(suggestion: &str) -> String {
    let visible: String = suggestion
        .chars()
        .filter(|&c| !is_invisible(c))
        .map(|c| if is_forbidden(c) { '_' } else { c })
        .collect();
    let trimmed = trim(&visible);
    if trimmed.is_empty() {
        return FALLBACK.to_owned();
    }
    // Again after the cut, which may have brought the device out of a long name.
    let name = shorten(&guard_device(trimmed.to_owned()));
    defuse_own_ending(guard_device(name))
}

/// The name with a number before its extension: `a (1).tar.gz` for `a.tar.gz` and 1.
#[must_use]
pub fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

/// Splits a name into stem and extension; the extension begins with its dot, or is empty.
///
/// The ending of a compressed file is kept whole: `.tar.gz`, `.fastq.gz`. The stem is never empty.
#[must_use]
pub fn split(name: &str) -> (&str, &str) {
    let Some(dot) = name.rfind('.').filter(|&dot| dot > 0) else {
        return (name, "");
    };
    let (stem, last) = name.split_at(dot);
    let inner = stem.rfind('.').filter(|&dot| dot > 0);
    match inner {
        Some(inner) if is_compression(last) && is_kind(&stem[inner + 1..]) => name.split_at(inner),
        Some(_) | None => (stem, last),
    }
}

fn is_compression(extension: &str) -> bool {
    const KNOWN: [&str; 9] = [
        ".gz", ".bz2", ".xz", ".zst", ".br", ".lz4", ".lz", ".lzma", ".z",
    ];
    KNOWN.iter().any(|k| extension.eq_ignore_ascii_case(k))
}

/// Whether text between two dots says what was compressed. Digits are left out: `GRCh38.p14.gz` has a version there.
fn is_kind(text: &str) -> bool {
    (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Characters that show nothing but change how the rest of a name is read: direction marks and overrides, the byte
/// order mark, and the zero-width space.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{FEFF}'
    ) || ('\u{202A}'..='\u{202E}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || matches!(c, '/' | '\\' | '*' | '?' | ':' | '"' | '<' | '>' | '|')
}

/// Without leading dots and spaces (hidden files, `.` and `..`) and without trailing ones, which Windows drops.
fn trim(name: &str) -> &str {
    name.trim_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Whether Windows would open a device: the part before the first dot counts, in any case.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let stem = stem.to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    let Some(port) = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"))
    else {
        return false;
    };
    let mut rest = port.chars();
    let number = rest.next();
    rest.next().is_none()
        && number.is_some_and(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'))
}

/// Puts `_` before the name of a device.
fn guard_device(name: String) -> String {
    if is_device(&name) {
        format!("_{name}")
    } else {
        name
    }
}

/// Cuts a name to [`MAX_LEN`] bytes at a character boundary, keeping its extension.
fn shorten(name: &str) -> String {
    if name.len() <= MAX_LEN {
        return name.to_owned();
    }
    let (stem, extension) = match split(name) {
        (_, long) if long.len() > MAX_EXTENSION => (name, ""),
        parts => parts,
    };
    let cut = stem.floor_char_boundary(MAX_LEN - extension.len());
    format!("{}{extension}", trim(&stem[..cut]))
}

/// Turns `x.part.json` into `x_part.json`, and so on.
fn defuse_own_ending(mut name: String) -> String {
    for ending in OWN_ENDINGS {
        let Some(at) = name.len().checked_sub(ending.len()) else {
            continue;
        };
        if name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case(ending) {
            name.replace_range(at..=at, "_");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn harmful_names_become_harmless() {
        let table = [
            ("data.tar.gz", "data.tar.gz"),
            ("Ünïcode 文件.bin", "Ünïcode 文件.bin"),
            ("../../evil.sh", "_.._evil.sh"),
            ("..\\..\\evil.sh", "_.._evil.sh"),
            ("/etc/passwd", "_etc_passwd"),
            ("a/b", "a_b"),
            ("nul\0byte", "nul_byte"),
            ("tab\tnew\nline", "tab_new_line"),
            (".bashrc", "bashrc"),
            ("...", FALLBACK),
            ("..", FALLBACK),
            (".", FALLBACK),
            ("", FALLBACK),
            ("  . ", FALLBACK),
            ("trailing. . ", "trailing"),
            ("C:file", "C_file"),
            ("a*b?c\"d<e>f|g", "a_b_c_d_e_f_g"),
            ("photo\u{202E}gpj.exe", "photogpj.exe"),
            (".\u{200F}./x", "_x"),
            ("\u{FEFF}bom.txt", "bom.txt"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("lpt0 .x", "_lpt0 .x"),
            ("com10", "com10"),
            ("console", "console"),
            ("victim.bin.part", "victim.bin_part"),
            ("victim.bin.part.json", "victim.bin_part.json"),
            ("victim.bin.PART.JSON", "victim.bin_PART.JSON"),
            ("victim.part.new", "victim_part.new"),
        ];
        for (raw, expected) in table {
            assert_eq!(safe(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = safe(&format!("{}.tar.gz", "x".repeat(400)));
        assert_eq!(long.len(), MAX_LEN);
        assert!(long.ends_with("x.tar.gz"));
        let wide = safe(&format!("{}.bin", "文".repeat(200)));
        assert!(wide.len() <= MAX_LEN && wide.len() > MAX_LEN - 3 && wide.ends_with("文.bin"));
        let no_extension = safe(&format!("v1.{}", "y".repeat(400)));
        assert_eq!(no_extension.len(), MAX_LEN);
        assert_eq!(safe(&format!("CON{}x.bin", " ".repeat(300))), "_CON.bin");
    }

    #[test]
    fn numbers_go_before_the_whole_extension() {
        let table = [
            ("a.bin", "a (1).bin"),
            ("a.tar.gz", "a (1).tar.gz"),
            ("reads.fastq.gz", "reads (1).fastq.gz"),
            ("GRCh38.p14.gz", "GRCh38.p14 (1).gz"),
            ("a.b.c", "a.b (1).c"),
            ("noext", "noext (1)"),
            ("x.tar.zst", "x (1).tar.zst"),
        ];
        for (name, expected) in table {
            assert_eq!(numbered(name, 1), expected);
        }
    }

    proptest! {
        #[test]
        fn any_suggestion_gives_one_harmless_component(raw in any::<String>(), tail in "(\\.part)?(\\.json)?[. ]{0,3}", n in 0usize..300) {
            let raw = format!("{raw}{}{tail}", "é".repeat(n));
            let name = safe(&raw);
            prop_assert!(!name.is_empty() && name.len() <= MAX_LEN);
            prop_assert!(!name.contains(['/', '\\', '\0']));
            prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']));
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert!(OWN_ENDINGS.iter().all(|e| !name.to_ascii_lowercase().ends_with(e)));
            prop_assert_eq!(&safe(&name), &name);
            prop_assert!(numbered(&name, 99).len() + ".part.json".len() <= 255);
        }
    }
}
