//! Databases under one fault at a time. Every function of cutover-database dies, is refused, or is not answered, at each of
//! its calls in turn; outlives its task; is repeated; is stopped by an operator; finds no database, or no Scheduler. Each
//! time applications write on one side only, nothing that was acknowledged is lost, and a source whose switch is not on
//! record is open at its deadline.

mod calls;
mod late;
mod stopped;
mod unreachable;
