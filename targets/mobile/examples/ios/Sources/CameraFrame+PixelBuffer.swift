import CoreVideo
import Foundation
import Shiftformer

extension CameraFrame {
    /// A picture of the camera in `kCVPixelFormatType_32BGRA`, which stands upright.
    init?(_ buffer: CVPixelBuffer) {
        CVPixelBufferLockBaseAddress(buffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else { return nil }
        let (width, height) = (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        self.init(
            format: .bgra,
            planes: [Plane(bytes: Data(bytes: base, count: stride * height), rowStride: UInt32(stride))],
            width: UInt16(width),
            height: UInt16(height)
        )
    }
}
