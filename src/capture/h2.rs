//! HTTP/2 (RFC 9113), as much as a downloading client needs: streams side by side, and both kinds of windows.
//!
//! The server keeps silent until the client has, for a moment, nothing more to say: so whatever is noted as the opening
//! was the client's own idea. Streams share the connection by turns of one DATA frame.
//!
//! A window is not used up as long as the client might still widen it by itself: a client whose window is nearly empty may
//! acknowledge in another rhythm (Firefox does below 96 KiB), and a fast server would see nothing but that.

mod session;

use std::io::{self, Read, Write};
use std::time::Duration;

use boring::ssl::SslStream;

use super::tap::{Seen, Tap};
use super::{Answers, PATIENCE};
use session::Session;

/// Answers requests until either side ends the connection.
pub(super) fn serve(io: &mut SslStream<Tap>, seen: &Seen, answers: &Answers) -> io::Result<()> {
    let mut session = Session::new(seen, answers);
    let mut input = vec![0; 64 * 1024];
    loop {
        match read(io, &mut input, session.has_more(), session.patience())? {
            Some(0) => return Ok(()),
            Some(count) => session.receive(&input[..count])?,
            None if session.has_more() => {}
            None if session.speaking => session.hungry = true,
            None => session.speak(),
        }
        session.produce();
        io.write_all(&session.out)?;
        session.out.clear();
        if session.is_done() {
            return Ok(());
        }
    }
}

/// Reads what is there. `None` if nothing is: at once if `hurry`, else after `patience`.
fn read(
    io: &mut SslStream<Tap>,
    input: &mut [u8],
    hurry: bool,
    patience: Duration,
) -> io::Result<Option<usize>> {
    if hurry {
        io.get_ref().tcp().set_nonblocking(true)?;
    } else {
        io.get_ref().tcp().set_read_timeout(Some(patience))?;
    }
    let count = io.read(input);
    if hurry {
        io.get_ref().tcp().set_nonblocking(false)?;
    }
    match count {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            if !hurry && patience == PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
