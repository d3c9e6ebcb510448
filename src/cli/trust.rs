//! Whom and what to trust: checksums, certificates, and who asks.

use clap::Args;
use serde::Serialize;

/// Checksums of files.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Verification")]
pub struct Verification {
    /// Expected checksum of a single URL: HEX, or ALGO:HEX
    #[arg(long, value_name = "HEX")]
    pub checksum: Option<String>,

    /// Hash algorithm, also for --checksum; a comma list computes several; short form -th [default: md5]
    ///
    /// md5, sha1, sha224, sha256, sha384, sha512, sha3_224, sha3_256, sha3_384, sha3_512, blake2b, blake2s, blake3, crc32c.
    #[arg(long, value_name = "ALGO")]
    pub typehash: Option<String>,

    /// Hold the file against a checksum that the server states; this is the default
    #[arg(short = 'V', long, overrides_with = "no_verify")]
    pub verify: bool,

    /// Look for no checksum; one given with --checksum still counts
    #[arg(short = 'N', long, overrides_with = "verify")]
    pub no_verify: bool,

    /// Look for a checksum beside the file on any host (URL.sha256, SHA256SUMS, …), not only where there is known to be one
    #[arg(long)]
    pub sidecar: bool,

    /// Append HEX and NAME of every finished file to this file, as sha256sum -c reads it
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<String>,
}

/// Who asks. None of these is ever sent to another host after a redirect, or logged.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Credentials")]
pub struct Credentials {
    /// User name and password for HTTP authentication
    ///
    /// A missing password is asked for at the terminal. Basic only, sent with the first request; a user name and password in a URL
    /// are stronger. Not sent to --mirror addresses of other hosts.
    #[arg(short, long, value_name = "USER[:PASS]")]
    pub user: Option<String>,

    /// Take user name and password from ~/.netrc
    #[arg(long)]
    pub netrc: bool,

    /// Take user name and password from this file, as .netrc has them
    #[arg(long, value_name = "FILE")]
    pub netrc_file: Option<String>,

    /// Token for HTTP authentication
    #[arg(long, value_name = "TOKEN")]
    pub bearer: Option<String>,

    /// Send the cookies of this file, in Netscape's format
    #[arg(long, value_name = "FILE")]
    pub cookies: Option<String>,

    /// Write all cookies to this file at the end
    #[arg(long, value_name = "FILE")]
    pub cookie_jar: Option<String>,
}

/// Whom to trust, and how to show that hs may be trusted.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "TLS")]
pub struct Tls {
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<String>,

    /// Show this certificate, PEM; it may hold the key too
    #[arg(long, value_name = "FILE")]
    pub cert: Option<String>,

    /// The private key of --cert, PEM
    #[arg(long, value_name = "FILE")]
    pub key: Option<String>,

    /// Accept any certificate
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// Accept only this public key: sha256//BASE64, several with ; between them, or a PEM or DER file
    #[arg(long, value_name = "HASH")]
    pub pinnedpubkey: Option<String>,
}
