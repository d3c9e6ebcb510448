//! Takes secrets out of text that is shown or kept: messages, traces, the log.
//!
//! A second line of defence: whoever writes a message leaves credentials out of it in the first place. What is known here
//! are the places where HTTP puts them: header fields, the user information of a URL, the query of a signed URL. What
//! stands elsewhere, in a path or a body, cannot be told from other text.

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Header fields whose values are credentials.
const FIELDS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
];

/// Query parameters whose values are credentials (signed URLs of S3, Google, Azure, CloudFront; RFC 6750 §2.3).
const PARAMETERS: [&str; 14] = [
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "signature",
    "sig",
    "key-pair-id",
    "token",
    "access_token",
    "auth",
    "api_key",
    "apikey",
    "password",
];

/// The text without secrets. What has none is returned as it is; lines stay lines.
#[must_use]
pub fn text(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(line).collect();
    lines.join("\n")
}

fn line(text: &str) -> String {
    parameters(&user_information(&fields(text)))
}

/// Of `Authorization: Basic …` and its like, everything to the end of the line, but for the name of the scheme.
fn fields(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let found = FIELDS.iter().filter_map(|field| {
        let at = position_of_field(&lower, field)?;
        Some(at + field.len() + 1)
    });
    let Some(colon) = found.min() else {
        return text.to_owned();
    };
    let value = text[colon..].trim_start();
    let scheme = value.split_once(' ').map(|(scheme, _)| scheme);
    let scheme = scheme.filter(|word| matches!(*word, "Basic" | "Bearer" | "Digest"));
    let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme} "));
    format!("{} {scheme}{REDACTED}", &text[..colon])
}

/// Where `field:` stands as a word of its own.
fn position_of_field(lower: &str, field: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = lower[from..].find(field).map(|at| at + from) {
        let before = lower[..at].chars().next_back();
        let whole = !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        if whole && lower[at + field.len()..].starts_with(':') {
            return Some(at);
        }
        from = at + field.len();
    }
    None
}

/// `scheme://user:password@host` without the user and the password.
fn user_information(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out += before;
        let ends = |c: char| "/?#".contains(c) || c.is_whitespace() || "\"'<>`".contains(c);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                out += REDACTED;
                &after[at..]
            }
            None => after,
        };
    }
    out + rest
}

/// `?token=…&` without the value.
fn parameters(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, after) = rest.split_at(at + 1);
        out += before;
        rest = after;
        let Some((name, value)) = after.split_once('=') else {
            continue;
        };
        if PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            let ends = |c: char| "&#;".contains(c) || c.is_whitespace() || "\"'<>`".contains(c);
            out += name;
            out += "=";
            out += REDACTED;
            rest = &value[value.find(ends).unwrap_or(value.len())..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let cases = [
            (
                "> Authorization: Basic dTpw",
                "> Authorization: Basic [redacted]",
            ),
            (
                "authorization:Bearer abc def",
                "authorization: Bearer [redacted]",
            ),
            ("< Set-Cookie: a=b; Path=/", "< Set-Cookie: [redacted]"),
            ("[h2] [cookie: a=b]", "[h2] [cookie: [redacted]"),
            ("Proxy-Authorization: x", "Proxy-Authorization: [redacted]"),
            ("GET https://u:p@h/f?a=b", "GET https://[redacted]@h/f?a=b"),
            (
                "http://u:p@ss@h socks5://v@i",
                "http://[redacted]@h socks5://[redacted]@i",
            ),
            ("https://h/a@b?c=d@e", "https://h/a@b?c=d@e"),
            (
                "https://h/f?X-Amz-Signature=ab12&x=1#s",
                "https://h/f?X-Amz-Signature=[redacted]&x=1#s",
            ),
            (
                "/f?x=1&token=t and more",
                "/f?x=1&token=[redacted] and more",
            ),
            ("a cookie: no, cookies are", "a cookie: [redacted]"),
            (
                "no secret: authorizations, x-cookie: 1",
                "no secret: authorizations, x-cookie: 1",
            ),
            ("a\nCookie: b\nc", "a\nCookie: [redacted]\nc"),
        ];
        for (from, to) in cases {
            assert_eq!(text(from), to);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(any in "\\PC*") {
            let once = text(&any);
            prop_assert_eq!(text(&once).is_empty(), any.is_empty());
        }

        #[test]
        fn a_password_never_stays(before in "[a-z ]{0,9}", secret in "[a-z0-9]{12}", after in "[a-z/?&= ]{0,9}") {
            let shown = text(&format!("{before}http://u:{secret}@h/{after}"));
            prop_assert!(!shown.contains(&secret), "{}", shown);
            let shown = text(&format!("{before} Cookie: {secret}{after}"));
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
