//! What a download would do, found out without doing it: one GET, whose body is not taken, and a look at the directory.

use std::path::PathBuf;

use super::verify::Check;
use super::{Context, Job};
use crate::Error;
use crate::resolve::checksum::Found;
use crate::resolve::{Resource, Source};
use crate::sink::{self, Existing, OnConflict};

/// What a download would do.
#[derive(Debug)]
pub struct Preview {
    /// The URL without credentials.
    pub url: String,
    /// What the server has.
    pub resource: Resource,
    /// The checksum it would be held against, and who states it.
    pub expected: Option<Found>,
    /// Where the file would be.
    pub path: PathBuf,
    /// What would become of it.
    pub plan: Plan,
    /// Bytes that are free where it would go, if the system tells.
    pub free: Option<u64>,
}

/// What would become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is there of it yet.
    Begin,
    /// So many bytes are there already, in a part that would be continued.
    Resume(u64),
    /// It is there; nothing would be asked for.
    Skip,
    /// Another file is there, and would be replaced.
    Replace,
}

impl Preview {
    /// Bytes that would still have to be stored; `None` if the server tells no length.
    #[must_use]
    pub fn missing(&self) -> Option<u64> {
        let length = self.resource.entity.length?;
        Some(match self.plan {
            Plan::Begin | Plan::Replace => length,
            Plan::Resume(done) => length.saturating_sub(done),
            Plan::Skip => 0,
        })
    }
}

/// Finds out what [`download`](super::download()) would do. Creates and changes nothing.
///
/// # Errors
/// Whatever would keep a download from beginning.
pub async fn preview(context: &Context, id: usize, source: Source) -> Result<Preview, Error> {
    let _door = context.doors.enter(&source.url).await;
    let job = Job::new(context, id, source);
    let opening = job.open(None).await?;
    context.doors.speaks(
        &job.source.url,
        opening.resource.protocol,
        opening.resource.entity.length,
    );
    let resource = opening.resource;
    // The body is not wanted; the connection may be for something else.
    drop(opening.transfer);
    let check = Check::new(context, &job.source, &resource);
    let beside = check
        .search_beside((context, &job.source), async { Ok(()) })
        .await?;
    let destination = &context.destination;
    let mut claim = destination.names.claim(&resource.name);
    let name = claim.settle(&resource.name);
    let (name, plan) = plan(&job, &check, &resource, name).await?;
    Ok(Preview {
        url: job.url.clone(),
        expected: check.known().or(beside),
        path: destination.dir.join(name),
        plan,
        free: sink::free_space(&destination.dir),
        resource,
    })
}

/// Under which name, and what would become of it.
async fn plan(
    job: &Job<'_>,
    check: &Check,
    resource: &Resource,
    name: String,
) -> Result<(String, Plan), Error> {
    let destination = &job.context.destination;
    let left = destination.leftovers.of(&job.url);
    let left = left.filter(|left| {
        job.source
            .name
            .as_ref()
            .is_none_or(|name| *name == left.name)
    });
    let left = left.filter(|left| left.identity.entity.confirms(&resource.entity));
    if super::finished(job, check, resource, &name, left.is_some())
        .await?
        .is_some()
    {
        return Ok((name, Plan::Skip));
    }
    Ok(
        match (
            left,
            sink::existing(&destination.dir, &name),
            destination.on_conflict,
        ) {
            (Some(left), ..) => (left.name.clone(), Plan::Resume(left.done.len())),
            (None, None, _) => (name, Plan::Begin),
            (None, Some(Existing::File { .. } | Existing::Other), OnConflict::Overwrite) => {
                (name, Plan::Replace)
            }
            (None, Some(_), _) => (sink::free_name(&destination.dir, &name), Plan::Begin),
        },
    )
}
