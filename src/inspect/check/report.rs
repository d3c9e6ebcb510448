//! What a check found: differences, each with how many connections show it.

use crate::fingerprint::compare::Difference;

/// What was found out about one fingerprint.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Connections that were compared.
    pub connections: usize,
    /// Differences, each with how many connections show it.
    pub differences: Vec<(Difference, usize)>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match self.differences.len() {
            0 => "no difference".to_owned(),
            1 => "1 difference".to_owned(),
            many => format!("{many} differences"),
        };
        writeln!(
            f,
            "{}: {verdict} on {} connections",
            self.name, self.connections
        )?;
        for (
            Difference {
                field,
                expected,
                got,
            },
            count,
        ) in &self.differences
        {
            writeln!(
                f,
                "  {field} ({count}×)\n    expected {expected}\n    got      {got}"
            )?;
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    /// Connections that were compared.
    pub(super) connections: usize,
    /// Differences, each once, with how many connections show it.
    pub(super) differences: Vec<(Difference, usize)>,
}

impl Found {
    /// Takes over what was found on so many connections.
    pub(super) fn add(&mut self, connections: usize, differences: Vec<(Difference, usize)>) {
        self.connections += connections;
        for (difference, count) in differences {
            match self
                .differences
                .iter_mut()
                .find(|(known, _)| *known == difference)
            {
                Some((_, known)) => *known += count,
                None => self.differences.push((difference, count)),
            }
        }
    }

    /// Takes over what was found on one connection.
    pub(super) fn add_each(&mut self, differences: impl IntoIterator<Item = Difference>) {
        self.add(0, differences.into_iter().map(|it| (it, 1)).collect());
    }
}
