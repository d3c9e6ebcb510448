//! Differences from the public files in which they are wrong, each with the reason.

/// One difference.
pub struct Known {
    /// As [`super::lines`] calls it.
    pub field: &'static str,
    /// Files, by the beginnings of their names.
    pub files: &'static [&'static str],
    /// What they say, or lack.
    pub theirs: &'static str,
    /// What we send.
    pub ours: &'static str,
    /// Why that is right.
    pub why: &'static str,
}

impl Known {
    /// Whether it is about this file.
    pub fn concerns(&self, stem: &str) -> bool {
        self.files.iter().any(|start| stem.starts_with(start))
    }

    /// Its row in the documentation.
    pub fn row(&self) -> String {
        let Self {
            field,
            files,
            theirs,
            ours,
            why,
        } = self;
        let files = files.join(", ");
        format!("| `{field}` | {files} | {theirs} | {ours} | {why} |")
    }
}

/// All of them.
pub const KNOWN: [Known; 6] = [
    Known {
        field: "extensions",
        files: &["chrome_119.0.6045.199_macOS", "chrome_120.0.6099.109_macOS"],
        theirs: "pre_shared_key",
        ours: "none on a first connection",
        why: "the file was recorded on a resumed session: no first connection of Chromium 120 has it, and our resumed ones do",
    },
    Known {
        field: "header user-agent",
        files: &["chromium-156.0.8078.79"],
        theirs: "HeadlessChrome",
        ours: "Chrome",
        why: "it was recorded without windows; nothing else differs then",
    },
    Known {
        field: "frames",
        files: &["firefox_133", "firefox_135", "firefox_144"],
        theirs: "first stream 15, nothing behind HEADERS",
        ours: "first stream 3, WINDOW_UPDATE behind HEADERS",
        why: "Firefox began with 15 while it sent PRIORITY frames, which these files do not have either; 140 and 153, equal in all else, do as ours",
    },
    Known {
        field: "frames",
        files: &["tor_14.5_macOS"],
        theirs: "first stream 15, nothing behind HEADERS",
        ours: "first stream 3, WINDOW_UPDATE behind HEADERS",
        why: "the same; that Tor Browser's Firefox 128 is like 133 is inferred",
    },
    Known {
        field: "frames",
        files: &["curl_cffi/firefox147"],
        theirs: "first stream 1, nothing behind HEADERS",
        ours: "first stream 3, WINDOW_UPDATE behind HEADERS",
        why: "curl's habits; Firefox 140 and 153 do as ours",
    },
    Known {
        field: "frames",
        files: &[
            "safari_17.0_macOS",
            "safari_18.0_macOS",
            "safari_18.4_macOS",
            "safari_26.0_macOS",
            "safari_26.0.1_macOS",
        ],
        theirs: "acknowledged SETTINGS before HEADERS",
        ours: "HEADERS first",
        why: "an acknowledgement answers the recording server, which spoke first; ours waits for the client, and the files of iOS have none",
    },
];
