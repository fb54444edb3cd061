import Foundation
import Shiftformer

/// A class that the model considers, with its share in percent.
struct Guess: Identifiable {
    let name: String
    let percent: Float
    var id: String { name }
}

/// What is shown of one frame.
struct Shown {
    let guesses: [Guess]
    let milliseconds: Double
}

/// Tells what a camera sees.
final class Classifier: Sendable {
    private let session: Session

    /// Opens the model at `file`.
    init(file: URL) throws {
        session = try Model.open(path: file.path).session()
    }

    /// The three best classes of one frame of the camera.
    func classify(_ frame: CameraFrame) throws -> Shown {
        let answer = try session.runCamera(frame: frame)
        let guesses = answer.top(k: 3).map { best in
            Guess(name: best.label ?? "class \(best.classIndex)", percent: 100 * best.probability)
        }
        let timings = answer.timings()
        return Shown(
            guesses: guesses,
            milliseconds: Double(timings.prepareNanoseconds + timings.runNanoseconds) / 1e6
        )
    }
}
