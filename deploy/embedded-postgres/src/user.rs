//! The user that the server runs as: Postgres does not run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// A user and group other than root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerUser {
    uid: u32,
    gid: u32,
}

impl ServerUser {
    /// Returns `postgres`, or `nobody` if there is no such user.
    ///
    /// # Errors
    /// When `/etc/passwd` lists neither.
    pub(crate) fn default_user() -> anyhow::Result<ServerUser> {
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"].iter().find_map(|name| ServerUser::from_passwd(&passwd, name)).context(
            "Postgres does not run as root, and neither user `postgres` nor `nobody` exists: \
             run as an ordinary user",
        )
    }

    fn from_passwd(passwd: &str, name: &str) -> Option<ServerUser> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0).then_some(ServerUser { uid, gid })
        })
    }

    /// Returns the owner of `path`, or `None` if it is root.
    pub(crate) fn owner_of(path: &Path) -> anyhow::Result<Option<ServerUser>> {
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {path:?}"))?;
        let owner = ServerUser { uid: metadata.uid(), gid: metadata.gid() };
        Ok((owner.uid != 0).then_some(owner))
    }

    /// Whether this user can enter `directory` and all its parents. Checks permission bits only, not access control lists.
    pub(crate) fn can_enter(self, directory: &Path) -> bool {
        directory.ancestors().all(|ancestor| {
            fs::metadata(ancestor).is_ok_and(|found| {
                let bit = match (found.uid() == self.uid, found.gid() == self.gid) {
                    (true, _) => 0o100,
                    (false, true) => 0o010,
                    (false, false) => 0o001,
                };
                found.mode() & bit != 0
            })
        })
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    pub(crate) fn chown(self, path: &Path) -> anyhow::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot change the owner of {path:?} to user {}", self.uid))
    }

    /// Makes `command` run as this user, without root's supplementary groups.
    pub(crate) fn apply_to(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let passwd = "root:x:0:0::/:\npostgres2:x:7:8::/:\npostgres:x:101:104::/:\n";
        let user = ServerUser::from_passwd(passwd, "postgres").unwrap();
        assert_eq!(user, ServerUser { uid: 101, gid: 104 });
        assert_eq!(ServerUser::from_passwd(passwd, "nobody"), None);
    }

    #[test]
    fn never_selects_root() {
        assert_eq!(ServerUser::from_passwd("nobody:x:0:0::/:", "nobody"), None);
    }

    #[test]
    fn other_users_cannot_enter_below_a_private_parent() {
        let parent = TempDir::new("enter").unwrap();
        let child = parent.path().join("open");
        fs::create_dir(&child).unwrap();
        fs::set_permissions(&child, fs::Permissions::from_mode(0o711)).unwrap();
        let other_user = ServerUser { uid: 4_000_000, gid: 4_000_000 };

        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(other_user.can_enter(&child));
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o710)).unwrap();
        assert!(!other_user.can_enter(&child));
    }
}
