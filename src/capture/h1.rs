//! HTTP/1.1 (RFC 9112), as much as a client that only ever sends GET needs.

use std::io::{self, Read, Write};

use super::tap::{Seen, note};
use super::{Answer, Answers};
use crate::fingerprint::observed::Request;

/// The longest request head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes of body that are written at once.
const PIECE: usize = 64 * 1024;

/// Answers requests until either side ends the connection.
pub(super) fn serve(
    io: &mut (impl Read + Write),
    seen: &Seen,
    answers: &Answers,
) -> io::Result<()> {
    let mut input = Vec::new();
    while let Some(head) = read_head(io, &mut input)? {
        let request = parse(&head);
        note(seen, |connection| connection.requests.push(request.clone()));
        let answer = answers(&request);
        write(io, &answer)?;
        if answer.close {
            return Ok(());
        }
    }
    Ok(())
}

/// The next head without its empty line; `None` if the client closes instead. What follows stays in `input`.
fn read_head(io: &mut impl Read, input: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = input.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head[..end]).into_owned()));
        }
        let mut piece = [0; 4096];
        match io.read(&mut piece)? {
            0 => return Ok(None),
            count => input.extend_from_slice(&piece[..count]),
        }
        if input.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn parse(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    Request {
        stream: 0,
        priority: None,
        method: word(),
        target: word(),
        pseudo: Vec::new(),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        forms: Vec::new(),
    }
}

fn write(io: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} -\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(if answer.close {
        "Connection: close\r\n\r\n"
    } else {
        "\r\n"
    });
    io.write_all(head.as_bytes())?;
    let mut offset = 0;
    while offset < answer.body.len() {
        let piece = answer.body.piece(offset, PIECE);
        io.write_all(&piece)?;
        offset += piece.len() as u64;
    }
    io.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_kept_in_order_and_case() {
        let request = parse("GET /a?b HTTP/1.1\r\nHost: h\r\nsec-ch-ua: \"x:y\"\r\nAccept: */*");
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("GET", "/a?b")
        );
        let names: Vec<_> = request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["Host", "sec-ch-ua", "Accept"]);
        assert_eq!(request.header("Sec-CH-UA"), Some("\"x:y\""));
    }

    #[test]
    fn heads_are_cut_apart_however_they_arrive() {
        let mut input = Vec::new();
        let mut io: &[u8] = b"GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
        assert_eq!(
            read_head(&mut io, &mut input).unwrap().unwrap(),
            "GET / HTTP/1.1"
        );
        assert_eq!(
            read_head(&mut io, &mut input).unwrap().unwrap(),
            "GET /2 HTTP/1.1"
        );
        assert_eq!(read_head(&mut io, &mut input).unwrap(), None);
    }
}
