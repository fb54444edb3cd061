package dev.shiftformer.example

import androidx.camera.core.ImageProxy
import dev.shiftformer.CameraFrame
import dev.shiftformer.PixelFormat
import dev.shiftformer.Plane

/** This picture of the camera as the library takes it: in its own colours, turned as the sensor was. */
fun ImageProxy.toCameraFrame() = CameraFrame(
    format = PixelFormat.I420,
    planes = planes.map { it.toPlane() },
    width = width.toUShort(),
    height = height.toUShort(),
    rotationDegrees = imageInfo.rotationDegrees,
)

private fun ImageProxy.PlaneProxy.toPlane(): Plane {
    val bytes = ByteArray(buffer.remaining()).also { buffer.get(it) }
    return Plane(bytes, rowStride.toUInt(), pixelStride.toUInt())
}
