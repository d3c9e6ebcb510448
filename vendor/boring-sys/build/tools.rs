//! The programs that building BoringSSL needs, named before anything obscure fails for want of them.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::Failure;

/// Variables that change what is built.
pub const ENVIRONMENT: [&str; 9] = [
    "AR",
    "CC",
    "CFLAGS",
    "CMAKE",
    "CMAKE_GENERATOR",
    "CMAKE_TOOLCHAIN_FILE",
    "CXX",
    "CXXFLAGS",
    "LIBCLANG_PATH",
];

/// Fails with the name of the first missing program and the Debian package that has it.
pub fn check() -> Result<(), Failure> {
    let named =
        |variable: &str, default: &str| env::var_os(variable).unwrap_or_else(|| default.into());
    require(&named("CMAKE", "cmake"), "cmake", "cmake")?;
    require(&named("CXX", "c++"), "a C++ compiler", "g++")?;
    require(&named("CC", "cc"), "a C compiler", "gcc")?;
    if env::var_os("CMAKE_GENERATOR").is_none() && cfg!(unix) {
        require(&"make".into(), "make", "make")?;
    }
    require(&"git".into(), "git (to apply patches)", "git")
}

/// Turns the nested build's complaint about a tool that cannot be probed for into a sentence.
pub fn explain(stderr: &str) -> Option<&'static str> {
    stderr.contains("Unable to find libclang").then_some(
        "libclang, which generates the bindings, was not found; install it (Debian: apt-get install libclang-dev) \
         or set LIBCLANG_PATH",
    )
}

fn require(program: &OsString, what: &str, package: &str) -> Result<(), Failure> {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(|e| {
            let program = program.display();
            format!("building BoringSSL needs {what}, and `{program}` cannot be run ({e}); Debian: apt-get install {package}")
        })
}
