//! Fetches a body that cannot be asked for in parts, because the server has no ranges or tells no length.

use std::cell::Cell;
use std::pin::pin;

use bytes::Buf as _;

use super::fetch::{left, ticks};
use super::job::{Job, Stop};
use super::packed::Body;
use super::transfer::{first, see_off};
use crate::net::Transfer;
use crate::resolve::Resource;
use crate::retry::Failure;
use crate::sink::Sink;

/// Bytes before the end of a single body from which on nothing is left to ask for.
const NEAR: u64 = 2 << 20;

/// A body that cannot be asked for in parts: one transfer, from the first byte to the last.
pub(super) async fn whole(
    job: &Job<'_>,
    sink: Sink<'_>,
    resource: &Resource,
    transfer: Transfer,
) -> Result<(), Stop> {
    let got = Cell::new(0);
    let body = Body::new(transfer, resource.encoded.as_deref());
    let mut pouring = pin!(pour(job, sink, resource.entity.length, body, &got));
    let mut follow = sink.follow();
    let mut ticks = ticks();
    let mut over = pin!(job.over());
    loop {
        tokio::select! {
            end = &mut pouring => {
                if resource.until_close && end.is_ok() {
                    let bytes = got.get();
                    job.note(format!("no length was stated: these are the {bytes} bytes before the server hung up"));
                }
                return end;
            }
            _ = ticks.tick() => job.progress(got.get(), 1, 1),
            left = left(&mut follow) => drop(left?),
            error = &mut over => return Err(Stop::Fatal(error)),
        }
    }
}

/// Writes a whole body, and tells how much of it `got` here. Passes over what the sink has already.
async fn pour(
    job: &Job<'_>,
    sink: Sink<'_>,
    length: Option<u64>,
    mut body: Body,
    got: &Cell<u64>,
) -> Result<(), Stop> {
    let there = sink.done().frontier();
    while length != Some(got.get()) {
        let next = body.next(job.context.stall).await;
        let Some(bytes) = next.map_err(Stop::Again)? else {
            break;
        };
        let holding = job.holding();
        job.context.pace.pay(bytes.len()).await;
        let start = got.get();
        let mut bytes = first(bytes, length.map_or(u64::MAX, |length| length - start));
        let end = start + bytes.len() as u64;
        let known = there.clamp(start, end);
        bytes.advance(usize::try_from(known - start).unwrap_or(usize::MAX));
        if !bytes.is_empty() {
            job.not_too_large(end).map_err(Stop::Fatal)?;
            sink.write(known, bytes).await?;
        }
        drop(holding);
        got.set(end);
        if length.is_some_and(|length| length - end <= NEAR) {
            job.all_is_begun();
        }
    }
    if length.is_some_and(|length| got.get() < length) || got.get() < there {
        return Err(Stop::Again(Failure::Short.into()));
    }
    if let Body::Plain(transfer) = &mut body {
        see_off(job, transfer).await;
    }
    if length.is_none() {
        sink.ends_at(got.get());
    }
    Ok(())
}
