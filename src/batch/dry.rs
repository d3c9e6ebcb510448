//! `--dry-run`: a report for each URL, as text for people or as a JSON object a line.
//!
//! The reports are what was asked for, so they go to standard output, in the order of the input. A URL that fails has its
//! place among the JSON objects too; its error is told on standard error like any other.

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::queue::{Item, Queue};
use super::{breathe, common, tell, told};
use crate::answer::Ranges;
use crate::download::{Context, Plan, Preview, preview};
use crate::report::Update;
use crate::{Config, Error};

/// Questions that may be open at once.
const AT_ONCE: usize = 16;

/// Where reports go; an error means that nobody reads them.
pub type Print<'a> = dyn FnMut(&str) -> std::io::Result<()> + 'a;

/// Reports on everything, and returns the exit code.
pub(super) async fn run(
    config: &Config,
    context: &Context,
    queue: Queue,
    print: &mut Print<'_>,
) -> Result<u8, Error> {
    let json = config.report.json;
    let mut printed = move |text: String| print(&text).map_err(|_| super::reader_gone());
    if config.report.debug {
        printed(settings(config, json))?;
    }
    let items = stream::unfold(queue, async |mut queue| {
        let item = queue.next().await?;
        Some((item, queue))
    });
    let looked = items.map(|item| look(context, item));
    let mut looked = std::pin::pin!(looked.buffered(AT_ONCE));
    let (mut code, mut needed) = (0, 0u64);
    while let Some((asked, result)) = looked.next().await {
        match result {
            Ok(preview) => {
                context.reporter.send(Update::Previewed { id: asked.id });
                needed = needed.saturating_add(preview.missing().unwrap_or(0));
                let fits = preview.free.map(|free| needed <= free);
                printed(match json {
                    true => format!("{}\n", object(&preview, fits)),
                    false => text(&preview, fits, needed),
                })?;
            }
            Err(error) => {
                code = common(code, error.exit_code());
                if json {
                    printed(format!("{}\n", failed(&asked, &error)))?;
                }
                tell(context, asked.id, Err(error));
            }
        }
        breathe(context).await;
        if context.stop.borrow().is_some() {
            break;
        }
    }
    Ok(code)
}

/// What a report is about.
struct Asked {
    id: usize,
    /// Without credentials; `None` for a line that is no source.
    url: Option<String>,
    /// As in [`Item`].
    place: Option<String>,
}

async fn look(context: &Context, item: Item) -> (Asked, Result<Preview, Error>) {
    let Item { id, place, source } = item;
    let url = source.as_ref().ok();
    let url = url.map(|source| Error::redact(source.url.as_str()));
    let result = match source {
        Ok(source) => preview(context, id, source).await,
        Err(error) => Err(told(context, id, place.clone(), error)),
    };
    (Asked { id, url, place }, result)
}

/// Every setting in force, and who said so.
fn settings(config: &Config, json: bool) -> String {
    if json {
        let all = config.settings.iter().map(|setting| {
            json!({"name": setting.name, "value": setting.value, "origin": setting.origin})
        });
        return format!("{}\n", json!({"settings": all.collect::<Vec<_>>()}));
    }
    let lines = config.settings.iter().map(|setting| {
        format!(
            "{} = {}  ({})\n",
            setting.name, setting.value, setting.origin
        )
    });
    lines.chain(["\n".to_owned()]).collect()
}

fn object(preview: &Preview, fits: Option<bool>) -> Value {
    let resource = &preview.resource;
    let validator = &resource.entity.validator;
    let expected = preview.expected.as_ref();
    let (action, resumed) = action(preview.plan);
    json!({
        "url": preview.url,
        "name": preview.path.file_name().map(|name| name.to_string_lossy()),
        "path": preview.path,
        "size": resource.entity.length,
        "ranges": ranges(resource.ranges),
        "protocol": resource.protocol.to_string(),
        "etag": validator.etag,
        "last_modified": validator.last_modified,
        "checksum": expected.map(|found| found.checksum.to_string()),
        "checksum_from": expected.map(|found| &found.place),
        "action": action,
        "there": resumed,
        "free": preview.free,
        "fits": fits,
    })
}

fn failed(asked: &Asked, error: &Error) -> Value {
    json!({
        "url": asked.url,
        "line": asked.place,
        "error": error.to_string(),
        "kind": error.kind(),
        "exit_code": error.exit_code(),
        "hint": error.hint(),
    })
}

/// A few lines. `needed` is what all files up to this one need.
fn text(preview: &Preview, fits: Option<bool>, needed: u64) -> String {
    let resource = &preview.resource;
    let validator = &resource.entity.validator;
    let size = resource.entity.length.map_or("unknown".to_owned(), bytes);
    let expected = preview
        .expected
        .as_ref()
        .map_or("none found".to_owned(), |found| {
            format!("{} ({})", found.checksum, found.place)
        });
    let etag = validator.etag.as_ref().map(|tag| format!("ETag {tag}"));
    let date = validator
        .last_modified
        .as_ref()
        .map(|date| format!("Last-Modified {date}"));
    let known: Vec<_> = etag.into_iter().chain(date).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let (action, resumed) = action(preview.plan);
    let resumed = resumed
        .map(|done| format!(": {} are there", bytes(done)))
        .unwrap_or_default();
    let room = match (preview.free, fits) {
        (Some(free), Some(false)) => format!(
            "{} free: not enough, {} are needed",
            bytes(free),
            bytes(needed)
        ),
        (Some(free), _) => format!("{} free", bytes(free)),
        (None, _) => "unknown".to_owned(),
    };
    format!(
        "{}\n  name       {}\n  size       {size}\n  ranges     {}, {}\n  validator  {known}\n  checksum   {expected}\n  \
         disk       {room}\n  would      {action}{resumed}\n",
        preview.url,
        preview.path.display(),
        ranges(resource.ranges),
        resource.protocol,
    )
}

/// Exactly, and as people say it.
fn bytes(number: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20)];
    match units.into_iter().find(|(_, bits)| number >> bits > 0) {
        Some((unit, bits)) => {
            let shown = number as f64 / (1u64 << bits) as f64;
            format!("{number} bytes ({shown:.1} {unit})")
        }
        None => format!("{number} bytes"),
    }
}

fn ranges(ranges: Ranges) -> &'static str {
    match ranges {
        Ranges::Yes => "yes",
        Ranges::Unknown => "unknown",
        Ranges::No => "no",
    }
}

/// A word for the plan, and the bytes that a resume would skip.
fn action(plan: Plan) -> (&'static str, Option<u64>) {
    match plan {
        Plan::Begin => ("download", None),
        Plan::Resume(done) => ("resume", Some(done)),
        Plan::Skip => ("skip", None),
        Plan::Replace => ("replace", None),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_exact_and_readable() {
        for (number, shown) in [
            (0, "0 bytes"),
            (1_048_575, "1048575 bytes"),
            (41_943_040, "41943040 bytes (40.0 MiB)"),
            (53_417_938_944, "53417938944 bytes (49.7 GiB)"),
            (u64::MAX, "18446744073709551615 bytes (16777216.0 TiB)"),
        ] {
            assert_eq!(bytes(number), shown);
        }
    }
}
