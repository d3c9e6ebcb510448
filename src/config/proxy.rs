//! Proxies: of the option, else of the environment's variables, which curl and most programs read alike.

use url::Url;

use super::Surroundings;
use super::layers::Layers;
use crate::error::Error;
use crate::net::Proxies;

const SCHEMES: [&str; 5] = ["http", "https", "socks4a", "socks5", "socks5h"];

/// What is right, for hints.
const RIGHT: &str = "HOST:PORT behind one of http://, https://, socks4a://, socks5://, socks5h://";

impl Proxies {
    /// An empty `--proxy` or an empty variable stands for none. `HTTP_PROXY` in capitals is not read: a web server would
    /// set it for the programs it starts from a header that anybody may send.
    pub(super) fn read(layers: &Layers, around: &Surroundings) -> Result<Self, Error> {
        let except = layers.text("noproxy");
        let of_environment = || first(around, &["no_proxy", "NO_PROXY"]).map(|(_, list)| list);
        let except = except.or_else(of_environment).unwrap_or_default();
        if let Some(text) = layers.text("proxy") {
            let proxy = parse(&text).map_err(|what| layers.wrong("proxy", &what, RIGHT))?;
            return Ok(Self {
                http: proxy.clone(),
                https: proxy,
                except,
            });
        }
        let variable = |names: &[&str]| match first(around, names) {
            None => Ok(None),
            Some((name, text)) => {
                parse(&text).map_err(|what| Error::usage(format!("{name}: {what}"), RIGHT))
            }
        };
        Ok(Self {
            http: variable(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            except,
        })
    }
}

/// The first of these variables that is set, and its value, which may be empty.
fn first(around: &Surroundings, names: &[&str]) -> Option<(String, String)> {
    let find = |name: &&str| around.variables.iter().find(|(known, _)| known == *name);
    names.iter().find_map(find).cloned()
}

/// A proxy with its scheme, http if there is none; `None` for an empty text.
fn parse(text: &str) -> Result<Option<Url>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = Url::parse(&with_scheme).ok();
    url.filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host())
        .map(Some)
        .ok_or_else(|| format!("`{}` is not a proxy", Error::redact(&with_scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(option: Option<&str>, variables: &[(&str, &str)]) -> Result<[String; 3], Error> {
        use clap::Parser as _;
        let mut layers = Layers::built_in();
        let mut line = vec!["hs", "http://h/"];
        line.extend(option.map(|proxy| ["-x", proxy]).into_iter().flatten());
        layers.say_options(&crate::cli::Cli::parse_from(line))?;
        let variables = variables.iter();
        let around = Surroundings {
            variables: variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Surroundings::default()
        };
        let Proxies {
            http,
            https,
            except,
        } = Proxies::read(&layers, &around)?;
        let text = |url: Option<Url>| url.map_or(String::new(), String::from);
        Ok([text(http), text(https), except])
    }

    #[test]
    fn the_option_is_stronger_than_the_environment() {
        let variables = [
            ("http_proxy", "a:1"),
            ("HTTP_PROXY", "evil:1"),
            ("HTTPS_PROXY", "https://b:2"),
            ("ALL_PROXY", "socks5h://c:3"),
            ("no_proxy", "x,y"),
        ];
        assert_eq!(
            proxies(None, &variables).unwrap(),
            ["http://a:1/", "https://b:2/", "x,y"]
        );
        assert_eq!(
            proxies(Some("socks4a://d:4"), &variables).unwrap(),
            ["socks4a://d:4", "socks4a://d:4", "x,y"]
        );
        assert_eq!(proxies(Some(""), &variables).unwrap(), ["", "", "x,y"]);
        assert_eq!(proxies(None, &variables[1..4]).unwrap()[0], "socks5h://c:3");
        assert_eq!(
            proxies(None, &[("https_proxy", ""), ("all_proxy", "z:9")]).unwrap()[1],
            ""
        );
    }

    #[test]
    fn what_is_no_proxy_is_named_without_its_password() {
        let error = proxies(None, &[("https_proxy", "ftp://u:secret@p")]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("https_proxy") && !text.contains("secret"),
            "{text}"
        );
        assert_eq!(error.exit_code(), 2);
        assert!(proxies(Some("quic://p"), &[]).is_err());
    }
}
