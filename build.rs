//! Has the crate compiled anew when the web app was built anew, whose files it embeds: their names change with what is in
//! them, and a compiler knows of names that were there before.

fn main() {
    // The app's folder where it was not built yet: a path that is missing would count as changed at every build.
    let built = "client-ts/app/dist";
    let watched = if std::path::Path::new(built).exists() { built } else { "client-ts/app" };
    println!("cargo:rerun-if-changed={watched}");
    println!("cargo:rerun-if-changed=build.rs");
}
