//! What a request looks like, how hosts are reached, and when to give up.

use clap::Args;
use serde::Serialize;

/// What a request looks like.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Browser")]
pub struct Browser {
    /// Browser to look like: a name of hs fingerprint list, chrome, firefox, safari, edge, or a TOML file [default: chrome120]
    #[arg(short = 'B', long, value_name = "NAME")]
    pub browser: Option<String>,

    /// System that the browser says it runs on, where it exists on several: linux, macos or windows [default: as recorded]
    #[arg(long, value_name = "SYSTEM")]
    pub platform: Option<String>,

    /// Add or replace a header, in the place where the browser has it; 'Name:' removes it; repeatable
    ///
    /// New headers go where the browser puts those that a page adds. Headers of ranges and of the connection are refused.
    /// Host, and headers whose names speak of secrets (authorization, cookie, token, key, secret, session, password), are sent
    /// to the address that was given and to no other after a redirect.
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Page that led here
    ///
    /// Sec-Fetch-Site then says how it is related to the address.
    #[arg(short = 'e', long, value_name = "URL")]
    pub referer: Option<String>,

    /// User agent instead of the browser's own
    ///
    /// One that names another browser, major version or platform than everything else on the wire is warned of once.
    #[arg(short = 'A', long, value_name = "STRING")]
    pub user_agent: Option<String>,
}

/// How hosts are reached.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Sockets per host [default: auto]
    ///
    /// auto: over HTTP/1.1 as many as requests, at most 6 unless -t was given; over HTTP/2 one, and more only when that one is
    /// measured to be the limit.
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,

    /// Speak HTTP/1.1 only
    ///
    /// Nothing else is offered then, as browsers do for a WebSocket.
    #[arg(long = "http1.1", overrides_with = "http2")]
    #[serde(rename = "http1.1")]
    pub http1_1: bool,

    /// Speak HTTP/2 only
    ///
    /// Both versions are offered, as the browser does; a server that chooses HTTP/1.1 is an error, and so is http://.
    #[arg(long, overrides_with = "http1_1")]
    pub http2: bool,

    /// Proxy: http, https, socks4a, socks5 or socks5h [default: of the environment]
    ///
    /// SCHEME://USER:PASS@HOST:PORT, of which the host alone is needed. The environment's are http_proxy, https_proxy, all_proxy and
    /// no_proxy, all but the first also in capitals. An empty text is none. A proxy's own TLS is judged by --cacert and -k as a
    /// server's is.
    #[arg(short = 'x', long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Hosts for which no proxy is used, with commas; * is all
    #[arg(long, value_name = "LIST")]
    pub noproxy: Option<String>,

    /// Use this address for a host and port; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub resolve: Vec<String>,

    /// Use IPv4 only
    #[arg(short = '4', long, overrides_with = "ipv6")]
    pub ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, overrides_with = "ipv4")]
    pub ipv6: bool,

    /// Network interface, address or host name to connect from
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
}

/// When to give up.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Retries")]
pub struct Retries {
    /// Attempts per chunk without one new byte; 0 for none, inf for no end [default: 10]
    #[arg(long, value_name = "N")]
    pub retries: Option<String>,

    /// Time for a connection to be made, in seconds [default: 15]
    #[arg(long, value_name = "S")]
    pub connect_timeout: Option<String>,

    /// Time without a byte after which a request is made again, in seconds [default: 30]
    #[arg(long, value_name = "S")]
    pub stall_timeout: Option<String>,

    /// Longest wait that a server may ask for, in seconds [default: 600]
    #[arg(long, value_name = "S")]
    pub max_retry_after: Option<String>,

    /// Time without a byte from anywhere after which a file has failed, in seconds, or inf [default: 600]
    #[arg(long, value_name = "S")]
    pub give_up_after: Option<String>,
}
