import AVFoundation
import SwiftUI

/// The camera's picture, and over it what the model sees.
struct LiveLabels: View {
    @StateObject private var camera = Camera()

    var body: some View {
        Preview(capture: camera.capture)
            .ignoresSafeArea()
            .overlay(alignment: .bottom) { labels.padding() }
            .task { await camera.start() }
    }

    @ViewBuilder private var labels: some View {
        if let failure = camera.failure {
            Text(failure)
        } else if let shown = camera.shown {
            VStack(alignment: .leading) {
                ForEach(shown.guesses) { guess in
                    Text("\(guess.name)  \(guess.percent, specifier: "%.1f") %")
                }
                Text("\(shown.milliseconds, specifier: "%.1f") ms").foregroundStyle(.secondary)
            }
            .padding()
            .background(.thinMaterial, in: RoundedRectangle(cornerRadius: 12))
        }
    }
}

/// The live picture, as AVFoundation draws it.
private struct Preview: UIViewRepresentable {
    final class PreviewView: UIView {
        override class var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
        var previewLayer: AVCaptureVideoPreviewLayer { layer as! AVCaptureVideoPreviewLayer }
    }

    let capture: AVCaptureSession

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        view.previewLayer.session = capture
        view.previewLayer.videoGravity = .resizeAspectFill
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {}
}
