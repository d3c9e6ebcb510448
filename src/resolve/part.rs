//! The head of an answer to a range request, where the range may come wrapped.

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};

use super::{Problem, head};
use crate::http::Head;
use crate::multipart::{self, Beginning};
use crate::net::{Error, Event, Transfer};
use crate::retry::{Failure, Fault};

/// As [`head_of_range`], given up when the server says nothing for `limit`. Before the request's turn has come, no server is to
/// blame.
///
/// # Errors
/// As [`head_of_range`]; [`Fault::Stall`].
pub async fn head_within(limit: Duration, transfer: &mut Transfer) -> Result<Head, Problem> {
    let turn = transfer.turn();
    let mut head = pin!(head_of_range(transfer));
    let mut until = Instant::now() + limit;
    loop {
        if let Ok(head) = timeout_at(until, &mut head).await {
            return head.map_err(Problem::from);
        }
        let now = Instant::now();
        let begun = turn.came().unwrap_or(now);
        until = begun + limit;
        if until <= now {
            return Err(Failure::Network(Fault::Stall).into());
        }
    }
}

/// As [`head`]. An answer that has one part of a multipart body and nothing else is read as that part: the head is its head, and
/// what the transfer brings are its bytes. Of any other multipart answer the head says what it is, and no more is to be read.
///
/// # Errors
/// As [`head`]; and how the transfer ended before the part began.
async fn head_of_range(transfer: &mut Transfer) -> Result<Head, Error> {
    let head = head(transfer).await?;
    let boundary = multipart::boundary(&head).filter(|_| head.status == 206);
    let Some(boundary) = boundary else {
        return Ok(head);
    };
    let mut body = BytesMut::new();
    loop {
        match multipart::open(&body, &boundary) {
            Beginning::Unclear => {}
            Beginning::Nothing => return Ok(head),
            Beginning::Part { headers, begins } => {
                let Some(alone) = multipart::alone(&head, &headers, begins, &boundary) else {
                    return Ok(head);
                };
                let length = alone.headers.get("content-length");
                let length = length.and_then(|it| it.parse().ok()).unwrap_or(0);
                transfer.narrow(body.split_off(begins).freeze(), length);
                return Ok(alone);
            }
        }
        match transfer.next().await {
            Some(Event::Data(block)) => body.extend_from_slice(&block.bytes),
            Some(Event::End(Err(error))) => return Err(error),
            Some(Event::End(Ok(())) | Event::Head(_)) | None => return Ok(head),
        }
    }
}
