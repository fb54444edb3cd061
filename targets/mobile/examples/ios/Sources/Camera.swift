import AVFoundation
import Shiftformer

/// The camera, and what the model says of its frames.
final class Camera: NSObject, ObservableObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    @Published private(set) var shown: Shown?
    @Published private(set) var failure: String?

    let capture = AVCaptureSession()
    private let queue = DispatchQueue(label: "frames")
    private var classifier: Classifier?

    /// Asks for the camera, opens the model and delivers frames.
    func start() async {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            return fail("This app needs the camera.")
        }
        queue.async { [self] in
            do {
                guard let file = Bundle.main.url(forResource: "model", withExtension: "shf") else {
                    return fail("The app has no model.shf.")
                }
                classifier = try Classifier(file: file)
                try configure()
                capture.startRunning()
            } catch let error as ShiftformerError {
                fail("\(error.reason()): \(error.hint())")
            } catch {
                fail(error.localizedDescription)
            }
        }
    }

    private func configure() throws {
        guard let device = AVCaptureDevice.default(for: .video) else { return fail("There is no camera.") }
        let output = AVCaptureVideoDataOutput()
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        capture.beginConfiguration()
        defer { capture.commitConfiguration() }
        capture.sessionPreset = .vga640x480
        capture.addInput(try AVCaptureDeviceInput(device: device))
        capture.addOutput(output)
        output.connection(with: .video)?.videoOrientation = .portrait
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sample: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let buffer = sample.imageBuffer, let frame = CameraFrame(buffer), let classifier else { return }
        do {
            let shown = try classifier.classify(frame)
            DispatchQueue.main.async { self.shown = shown }
        } catch {
            fail(error.localizedDescription)
        }
    }

    private func fail(_ message: String) {
        DispatchQueue.main.async { self.failure = message }
    }
}
