//! The driver thread: the only owner of the curl multi handle and of every easy handle.
//!
//! Its loop has one place to wait, `curl_multi_poll`, which ends for network activity, for libcurl's own timers and
//! for the client's [bell](super::bell); there is no polling interval, but while a request has no turn. It never waits for the
//! flow: events go into unbounded channels whose content is bounded by each transfer's credit.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use curl::easy::Easy2;
use curl::multi::{Easy2Handle, Multi};
use tokio::time::Instant;

use super::bell::Bell;
use super::handler::Body;
use super::queue::{Queue, Standing};
use super::setup::{LastAsked, Speaks};
use super::tls::sessions::{Sessions, Shared};
use super::{Command, Connections, Error, Event, Id, Options, hooks, setup};
use crate::fingerprint::schema::Scheme;
use crate::http::{BROWSER_CONNECTIONS, Protocol};
use crate::retry::Fault;

/// Longest single wait; libcurl shortens it to its next timer, the bell to nothing.
const WAIT: Duration = Duration::from_secs(3600);

/// Longest single wait while a request has no turn.
const LOOK: Duration = Duration::from_secs(1);

/// Rounds of the loop that a part of a block may wait for more bytes while other transfers keep the loop busy.
const ROUNDS: u64 = 8;

/// The largest number that `CURLMOPT_MAX_CONCURRENT_STREAMS` takes.
const UNLIMITED: usize = usize::MAX >> 33;

/// What the bindings lack of `curl/multi.h`: `CURLMOPT_NETWORK_CHANGED`, and two of its bits.
const CURLMOPT_NETWORK_CHANGED: curl_sys::CURLMoption = curl_sys::CURLOPTTYPE_LONG + 17;
const CLEAR_NAMES: std::ffi::c_long = 1 << 2;
const CLEAR_CONNECTIONS_AND_NAMES: std::ffi::c_long = (1 << 1) | CLEAR_NAMES;

/// Starts the thread and waits until libcurl is ready in it.
pub(super) fn spawn(
    options: Options,
    commands: Receiver<Command>,
    bell: Bell,
) -> Result<JoinHandle<()>, Error> {
    let (ready, started) = channel();
    let thread = thread::Builder::new()
        .name("hs-net".into())
        .spawn(move || run(options, commands, bell, &ready))
        .map_err(|error| Error::setup(format!("starting the network thread: {error}")))?;
    started
        .recv()
        .map_err(|_| Error::setup("the network thread ended at once".into()))??;
    Ok(thread)
}

fn run(
    options: Options,
    commands: Receiver<Command>,
    bell: Bell,
    ready: &Sender<Result<(), Error>>,
) {
    let _worn = hooks::wear(&options.fingerprint, options.is_single());
    let mut multi = Multi::new();
    let configured = limit(&mut multi, options.connections)
        .map_err(|error| Error::setup(format!("configuring the curl multi handle: {error}")));
    let ready_to_go = configured.is_ok();
    let _ = ready.send(configured);
    if ready_to_go {
        let sessions = Arc::new(Mutex::new(Sessions::new(&options.fingerprint.tls)));
        Driver {
            multi,
            options,
            commands,
            bell,
            asked: LastAsked::default(),
            queue: Queue::new(),
            active: HashMap::new(),
            most: HashMap::new(),
            old_hosts: HashSet::new(),
            http1: HashSet::new(),
            dark: HashSet::new(),
            sessions,
            round: 0,
        }
        .drive();
    }
}

fn limit(multi: &mut Multi, connections: Option<Connections>) -> Result<(), curl::MultiError> {
    multi.pipelining(false, true)?;
    multi.set_max_connects(256)?;
    if let Some(connections) = connections {
        multi.set_max_host_connections(connections.most.max(1))?;
        let streams = connections.streams.unwrap_or(UNLIMITED);
        multi.set_max_concurrent_streams(streams.max(1))?;
    }
    Ok(())
}

/// How many requests at once the server takes on a transfer's connection; `None` over HTTP/1.1, and before there is one.
fn most_streams(handle: &Easy2Handle<Body>) -> Option<usize> {
    usize::try_from(hooks::most_streams(handle.raw() as usize)?).ok()
}

/// How the transfers at the host of another one stand. `most`: what each host took when it was last asked.
fn standing(
    active: &HashMap<Id, Easy2Handle<Body>>,
    most: &HashMap<String, usize>,
    body: &Body,
) -> Standing {
    let mut standing = Standing::default();
    let authority = body.authority();
    for handle in active.values() {
        if handle.get_ref().authority() == authority {
            standing.active += 1;
            standing.paused += usize::from(handle.get_ref().is_paused());
            standing.patient += usize::from(handle.get_ref().request().patient);
            standing.most = standing.most.or_else(|| most_streams(handle));
        }
    }
    // A transfer that was just begun has no connection yet; what was true of the last one holds until it has.
    standing.most = standing.most.or_else(|| most.get(authority).copied());
    standing
}

struct Driver {
    multi: Multi,
    options: Options,
    /// Closed when the last client is gone.
    commands: Receiver<Command>,
    /// Rings when there are some, if it waits.
    bell: Bell,
    /// What requests show over HTTP/2.
    asked: LastAsked,
    /// What has to be started yet.
    queue: Queue<Body>,
    /// Every transfer that was started and has not had its `End`.
    active: HashMap<Id, Easy2Handle<Body>>,
    /// How many requests at once each host over HTTP/2 took when one last ended; at least 1.
    most: HashMap<String, usize>,
    /// Hosts that refused a request over HTTP/2 because they want HTTP/1.1 for it (RFC 9113 §7).
    old_hosts: HashSet<String>,
    /// Hosts whose connections chose HTTP/1.1.
    http1: HashSet<String>,
    /// Hosts at which a request ended without an answer.
    dark: HashSet<String>,
    /// What connections may resume.
    sessions: Shared,
    /// Counts the loop's rounds, to age parts of blocks.
    round: u64,
}

impl Driver {
    fn drive(&mut self) {
        while self.obey() {
            self.round += 1;
            if let Err(error) = self.multi.perform() {
                self.fail_all(&error);
            }
            self.wake_orphans();
            self.collect();
            // An empty first look means that nothing is waiting in a socket: what has come so far is passed on, and
            // then the thread may sleep.
            let busy = self
                .multi
                .poll(&mut [], Duration::ZERO)
                .is_ok_and(|sockets| sockets > 0);
            self.flush(busy);
            self.make_way();
            if !busy {
                // There may be room that only the connection of a new transfer has told of.
                self.start_waiting();
                self.bell.listen();
                if !self.obey() {
                    return;
                }
                let longest = if self.queue.is_empty() { WAIT } else { LOOK };
                let _ = self.bell.wait(&self.multi, longest);
            }
        }
    }

    /// Executes all commands that have come; false when the channel is closed.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Start {
                    id,
                    request,
                    events,
                    line,
                }) => {
                    let request = Rc::from(request);
                    let body = Body::new(&self.options, &self.sessions, request, events, line);
                    self.queue.push(id, body);
                    self.start_waiting();
                }
                Ok(Command::Grant { id, bytes }) => self.grant(id, bytes),
                Ok(Command::Cancel { id }) => self.cancel(id),
                Ok(Command::Reset) => self.forget(CLEAR_CONNECTIONS_AND_NAMES),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Starts what waits, in order, but for what its host has no room for.
    fn start_waiting(&mut self) {
        let mut from = 0;
        while let Some(place) = self.queue.ready(from, |body| self.has_room(body)) {
            from = place;
            if let Some((id, body)) = self.queue.take(place) {
                self.start(id, body, false);
            }
        }
    }

    fn has_room(&self, body: &Body) -> bool {
        let request = body.request();
        if request.node.is_some() || !(request.patient || self.options.is_single()) {
            return true;
        }
        let standing = standing(&self.active, &self.most, body);
        if standing.most.is_none() && request.patient {
            let named = self.options.connections.map(|named| named.most.max(1));
            let most = match self.speaks(body) {
                // The first one shows what the host speaks, if it can be reached.
                Speaks::Any if !self.dark.contains(body.authority()) => 1,
                Speaks::Any | Speaks::Http1 | Speaks::OnlyHttp1 => BROWSER_CONNECTIONS,
            };
            return standing.patient < named.unwrap_or(most).min(most);
        }
        !self.options.is_single() || !standing.is_full()
    }

    /// What is known of the protocol of a request's host.
    fn speaks(&self, body: &Body) -> Speaks {
        let authority = body.authority();
        let is_plain = setup::scheme(&body.request().url) == Scheme::Http;
        let mut active = self.active.values().map(Easy2Handle::get_ref);
        if self.old_hosts.contains(authority) {
            Speaks::OnlyHttp1
        } else if is_plain
            || self.options.http == Some(Protocol::Http11)
            || self.http1.contains(authority)
            || active.any(|it| it.authority() == authority && it.speaks_http1())
        {
            Speaks::Http1
        } else {
            Speaks::Any
        }
    }

    /// Gives a request a connection of its own if its turn would not come.
    fn make_way(&mut self) {
        let is_held = |body: &Body| standing(&self.active, &self.most, body).is_held();
        if let Some((id, body)) = self.queue.overdue(Instant::now(), is_held) {
            self.start(id, body, true);
        }
    }

    fn cancel(&mut self, id: Id) {
        self.queue.cancel(id);
        drop(self.remove(id));
        self.start_waiting();
    }

    /// Hands a request to libcurl; `alone` if no other connection is to serve it.
    fn start(&mut self, id: Id, body: Body, alone: bool) {
        body.begins();
        let request = Rc::clone(body.request());
        let events = body.events();
        let speaks = self.speaks(&body);
        let begun = setup::easy(&request, &self.options, body, speaks).and_then(|mut easy| {
            easy.fresh_connect(alone)
                .map_err(|error| Error::from_curl(&error))?;
            hooks::expect(easy.raw().cast(), self.asked.of(&request, &self.options));
            self.multi
                .add2(easy)
                .map_err(|error| Error::setup(format!("adding a transfer: {error}")))
        });
        let added = begun.and_then(|mut handle| {
            handle
                .set_token(id)
                .map_err(|error| Error::setup(format!("numbering a transfer: {error}")))?;
            Ok(handle)
        });
        match added {
            Ok(mut handle) => {
                let address = handle.raw() as usize;
                handle.get_mut().set_handle(address);
                self.active.insert(id, handle);
            }
            // The receiver may be gone already, as in every send below: then nobody wants to know.
            Err(error) => drop(events.send(Event::End(Err(error)))),
        }
    }

    fn grant(&mut self, id: Id, bytes: usize) {
        if let Some(handle) = self.active.get_mut(&id)
            && handle.get_mut().grant(bytes)
        {
            // Fails only for a handle that is not in a transfer any more; its end is then on the way.
            let _ = handle.unpause_write();
        }
    }

    /// Makes libcurl forget connections, the addresses of hosts, or both.
    fn forget(&self, what: std::ffi::c_long) {
        // SAFETY: the handle lives as long as `self.multi`, and the option takes a long. Its result can only be that this
        // libcurl does not know the option, and then connections are merely used longer.
        unsafe {
            curl_sys::curl_multi_setopt(self.multi.raw(), CURLMOPT_NETWORK_CHANGED, what);
        }
    }

    fn remove(&mut self, id: Id) -> Option<Easy2<Body>> {
        let handle = self.active.remove(&id)?;
        if let Some(most) = most_streams(&handle) {
            let authority = handle.get_ref().authority();
            // For one that takes none now a request waits on its connection.
            self.most.insert(authority.to_owned(), most.max(1));
        }
        let body = handle.get_ref();
        if body.speaks_http1() && !self.http1.contains(body.authority()) {
            self.http1.insert(body.authority().to_owned());
        }
        if body.is_unanswered() && !self.dark.contains(body.authority()) {
            self.dark.insert(body.authority().to_owned());
        }
        hooks::forget(handle.raw().cast());
        self.multi.remove2(handle).ok()
    }

    /// Ends the transfers that libcurl has finished.
    fn collect(&mut self) {
        let mut finished = Vec::new();
        self.multi.messages(|message| {
            if let Ok(id) = message.token() {
                let result = self
                    .active
                    .get(&id)
                    .and_then(|handle| message.result_for2(handle));
                finished.push((id, result));
            }
        });
        for (id, result) in finished {
            let Some(handle) = self.active.get(&id) else {
                continue;
            };
            // While what is known of its stream has not been forgotten.
            let result = handle.get_ref().judge(result.unwrap_or(Ok(())));
            let Some(mut easy) = self.remove(id) else {
                continue;
            };
            match result.as_ref().map_err(Error::fault) {
                Err(Fault::Http11Required) => {
                    self.old_hosts.insert(easy.get_ref().authority().to_owned());
                }
                // The host may have moved.
                Err(Fault::Connect | Fault::ConnectTimeout) => self.forget(CLEAR_NAMES),
                Ok(()) | Err(_) => {}
            }
            easy.get_mut().end(result);
        }
        self.start_waiting();
    }

    /// Has libcurl look at transfers whose HTTP/2 session nghttp2 has ended, as for a body that is shorter than it was to be.
    /// The server may keep such a connection open and say no more.
    fn wake_orphans(&self) {
        for orphan in hooks::orphans() {
            let mut active = self.active.values();
            if let Some(handle) = active.find(|handle| handle.raw() as usize == orphan) {
                // To go on runs the transfer, paused or not. It fails only for one that is not in a transfer any more.
                let _ = handle.unpause_write();
            }
        }
    }

    /// Passes on parts of blocks: all of them when the sockets are empty, else those that waited long.
    fn flush(&mut self, busy: bool) {
        let round = self.round;
        for handle in self.active.values_mut() {
            handle.get_mut().flush_older_than(
                if busy {
                    round.saturating_sub(ROUNDS)
                } else {
                    u64::MAX
                },
                round,
            );
        }
    }

    /// A multi handle that fails as a whole takes its transfers with it.
    fn fail_all(&mut self, error: &curl::MultiError) {
        let ids: Vec<Id> = self.active.keys().copied().collect();
        for id in ids {
            if let Some(mut easy) = self.remove(id) {
                easy.get_mut()
                    .end(Err(Error::setup(format!("driving transfers: {error}"))));
            }
        }
    }
}
