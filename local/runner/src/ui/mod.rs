//! The terminal: what happens, while it happens. A task of the simulation's own thread looks at the world whenever
//! something was told, and draws; it changes nothing, and virtual time stands still while it does.

mod bars;
mod databases;
pub mod lines;
mod plain;
pub mod progress;

use crate::world::{Notice, World};
use jiff::{SignedDuration, Timestamp};
use landfall_domain::plan::ProgramPlan;
use progress::View;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Functions after which nothing need have changed: they are called again and again while something is waited for, and
/// a state that ends or another function follows when it is over.
const POLLS: [&str; 3] = ["check-job", "on-event", "sweep"];

/// Virtual time that passes at least between two looks at the table, for programs of up to [`FEW_SERVERS`] servers: a
/// look reads all of it.
const LOOK_GAP_FEW: SignedDuration = SignedDuration::from_secs(1);
const LOOK_GAP_MANY: SignedDuration = SignedDuration::from_secs(600);
const FEW_SERVERS: usize = 50;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// Bars and moving lines, on a terminal.
    Bars,
    /// A line for each thing that happens.
    Plain,
    /// Nothing.
    Silent,
}

impl Display {
    /// Bars where there is a terminal to draw them on, unless plain lines are asked for.
    pub fn choose(plain: bool) -> Self {
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if terminal && !plain { Self::Bars } else { Self::Plain }
    }
}

/// One way to draw.
trait Canvas: Send {
    /// Something happened.
    fn line(&mut self, at: Timestamp, text: &str);
    /// The state of things; `changes` are the differences in words.
    fn view(&mut self, view: &View, changes: &[String]);
    /// Nothing more comes.
    fn end(&mut self);
}

/// The terminal of a run.
pub struct Screen {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    notices: Mutex<Vec<(Timestamp, Notice)>>,
    told: Notify,
    painter: Mutex<Painter>,
}

struct Painter {
    canvas: Box<dyn Canvas>,
    program: ProgramPlan,
    hosts: BTreeMap<String, String>,
    look_gap: SignedDuration,
    looked_at: Option<Timestamp>,
    last: Option<View>,
    /// Events that are not drawn yet, so that many that say the same become one line.
    events: Vec<(Timestamp, Notice)>,
}

impl Screen {
    /// Draws what happens in a world from now on. Call it inside the runtime of the world.
    pub fn attach(world: &World, program: &ProgramPlan, display: Display) -> Self {
        let start = world.now();
        let canvas: Box<dyn Canvas> = match display {
            Display::Bars => Box::new(bars::Bars::new(start, program)),
            Display::Plain => Box::new(plain::Plain::new(start)),
            Display::Silent => return Self { shared: None },
        };
        let shared = Arc::new(Shared {
            notices: Mutex::default(),
            told: Notify::new(),
            painter: Mutex::new(Painter::new(canvas, program)),
        });
        let listening = shared.clone();
        world.listen(Arc::new(move |at, notice| {
            if is_news(notice) {
                lock(&listening.notices).push((at, notice.clone()));
                listening.told.notify_one();
            }
        }));
        tokio::spawn(watch(world.outside(), shared.clone()));
        Self { shared: Some(shared) }
    }

    /// Draws what is left to draw, once.
    pub fn end(&self, world: &World) {
        let Some(shared) = &self.shared else { return };
        let notices = std::mem::take(&mut *lock(&shared.notices));
        let mut painter = lock(&shared.painter);
        painter.tell(&notices);
        painter.look(world);
        painter.canvas.end();
    }
}

async fn watch(outside: crate::world::Outside, shared: Arc<Shared>) {
    loop {
        shared.told.notified().await;
        let Some(world) = outside.world() else { return };
        let notices = std::mem::take(&mut *lock(&shared.notices));
        let mut painter = lock(&shared.painter);
        painter.tell(&notices);
        if painter.is_due(world.now()) {
            painter.look(&world);
        }
    }
}

fn is_news(notice: &Notice) -> bool {
    !matches!(notice, Notice::Invoked { function } if POLLS.contains(&function.as_str()))
}

impl Painter {
    fn new(canvas: Box<dyn Canvas>, program: &ProgramPlan) -> Self {
        let servers = program.waves.iter().flat_map(|wave| &wave.servers);
        let hosts: BTreeMap<String, String> = servers
            .map(|server| (server.source_server_id.to_string(), server.hostname.clone()))
            .collect();
        let look_gap = if hosts.len() > FEW_SERVERS {
            LOOK_GAP_MANY
        } else {
            LOOK_GAP_FEW
        };
        Self {
            canvas,
            program: program.clone(),
            hosts,
            look_gap,
            looked_at: None,
            last: None,
            events: Vec::new(),
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.looked_at.is_none_or(|at| now.duration_since(at) >= self.look_gap)
    }

    /// Draws what was told; events wait for the next look or for something else to be told.
    fn tell(&mut self, notices: &[(Timestamp, Notice)]) {
        for notice in notices {
            if matches!(notice.1, Notice::Event { .. }) {
                self.events.push(notice.clone());
            } else if lines::line(&notice.1).is_some() {
                self.flush();
                self.draw(std::slice::from_ref(notice));
            }
        }
    }

    fn flush(&mut self) {
        let events = std::mem::take(&mut self.events);
        self.draw(&events);
    }

    fn draw(&mut self, notices: &[(Timestamp, Notice)]) {
        let host = |id: &str| self.hosts.get(id).cloned().unwrap_or_else(|| id.to_owned());
        for (at, line) in lines::told(notices, host) {
            self.canvas.line(at, &line);
        }
    }

    fn look(&mut self, world: &World) {
        let now = world.now();
        self.flush();
        self.looked_at = Some(now);
        let view = progress::view(&self.program, &world.records(), now, world.engine().state_transitions());
        let changes = lines::changes(self.last.as_ref(), &view);
        self.canvas.view(&view, &changes);
        self.last = Some(view);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
