import SwiftUI

@main
struct ShiftformerExample: App {
    var body: some Scene {
        WindowGroup { LiveLabels() }
    }
}
