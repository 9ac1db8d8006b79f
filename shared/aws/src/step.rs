//! What every step begins with: the wave, at the epoch and direction the step belongs to.

use crate::deps::Deps;
use crate::table::{Guard, Stored, Write};
use jiff::Timestamp;
use landfall_domain::StepError;
use landfall_domain::ids::WaveId;
use landfall_domain::record::{Direction, LogRecord, Phase, WaveRecord, WaveStatus};

/// Attempts to change an item that others change too.
const CHANGE_ATTEMPTS_MAX: usize = 6;

/// A step of a wave.
pub struct Step {
    /// The wave, as it was when the step began.
    pub wave: Stored<WaveRecord>,
    /// The condition of every write of the step.
    pub guard: Guard,
    /// When the step began.
    pub now: Timestamp,
}

impl Step {
    /// Begins a step; refuses when the wave has moved on to another epoch or direction, or is closed.
    pub async fn begin(deps: &Deps, wave: &WaveId, epoch: u64, direction: Direction) -> Result<Self, StepError> {
        let wave = deps.table.wave(wave).await?;
        Self::at(deps, wave, epoch, direction)
    }

    /// The same, with a wave that was read a moment ago.
    pub fn at(deps: &Deps, wave: Stored<WaveRecord>, epoch: u64, direction: Direction) -> Result<Self, StepError> {
        let now = deps.now();
        let guard = Guard {
            wave_id: wave.wave_id.clone(),
            epoch,
            direction,
        };
        if wave.epoch != epoch || wave.direction != direction || wave.status == WaveStatus::Closed {
            return Err(crate::table::superseded(&guard, &wave));
        }
        Ok(Self { wave, guard, now })
    }

    /// A line of the audit trail, as a write.
    pub fn log(&self, deps: &Deps, text: impl Into<String>) -> Result<Write, StepError> {
        log_line(deps, &self.wave.wave_id, text)
    }

    /// Writes under the guard of the step.
    pub async fn write(&self, deps: &Deps, writes: Vec<Write>) -> Result<(), StepError> {
        deps.table.write(Some(&self.guard), writes).await
    }

    /// Notes that the wave enters a phase, unless it is in it.
    pub async fn enter(&mut self, deps: &Deps, phase: Phase) -> Result<(), StepError> {
        if self.wave.phases.last().is_some_and(|last| last.phase == phase) {
            return Ok(());
        }
        let at = self.now;
        self.change_wave(deps, |wave| wave.enter(phase, at)).await
    }

    /// Changes the wave, reading it again when somebody else changed it first.
    pub async fn change_wave(&mut self, deps: &Deps, change: impl Fn(&mut WaveRecord)) -> Result<(), StepError> {
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            change(&mut self.wave.value);
            let write = Write::save(&mut self.wave)?;
            match deps.table.write(None, vec![write]).await {
                Err(StepError::WriteConflict { .. }) => {
                    let again = Self::begin(deps, &self.guard.wave_id, self.guard.epoch, self.guard.direction).await?;
                    self.wave = again.wave;
                }
                other => return other,
            }
        }
        Err(StepError::WriteConflict {
            item: self.wave.key.to_string(),
        })
    }

    /// When a wait of the whole wave began; it begins now when it has not.
    pub async fn wait_began(&mut self, deps: &Deps, name: &str) -> Result<Timestamp, StepError> {
        let name = format!("{name}@{}", self.guard.epoch);
        if let Some(began) = self.wave.waits.get(&name) {
            return Ok(*began);
        }
        let now = self.now;
        self.change_wave(deps, |wave| {
            wave.waits.entry(name.clone()).or_insert(now);
        })
        .await?;
        Ok(self.wave.waits.get(&name).copied().unwrap_or(now))
    }
}

/// A line of a wave's audit trail, as a write.
pub fn log_line(deps: &Deps, wave: &WaveId, text: impl Into<String>) -> Result<Write, StepError> {
    let line = LogRecord {
        at: deps.now(),
        actor: deps.config.function.clone(),
        text: text.into(),
    };
    Write::log(wave, &line, &deps.ids.next())
}
