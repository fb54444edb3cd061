package dev.shiftformer.test

import dev.shiftformer.CameraFrame
import dev.shiftformer.Matrix
import dev.shiftformer.PixelFormat
import dev.shiftformer.Plane
import dev.shiftformer.Range
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A container, and the logits that the reference makes of every frame. */
class ModelCase(val file: File, val logits: List<List<Int>>)

/** What a camera delivers, and the frame that a model takes of it. */
class CameraCase(val name: String, val camera: CameraFrame, val frame: ByteArray)

/** What the example `apps` of the tests' crate wrote to `folder`; its source describes the files. */
class Cases(private val folder: File) {
    val frames: List<ByteArray>
    val models = mutableListOf<ModelCase>()
    val cameras = mutableListOf<CameraCase>()

    init {
        val lines = folder.resolve("manifest.txt").readLines().map { it.split(' ') }.iterator()
        val (_, file, _, bytes) = lines.next()
        frames = read(file).parts(bytes.toInt())
        for (line in lines) {
            when (line[0]) {
                "model" -> models += model(line)
                "camera" -> cameras += camera(line, List(line.last().toInt()) { lines.next() })
                else -> error("the manifest has a line of an unknown kind: $line")
            }
        }
    }

    private fun read(name: String) = folder.resolve(name).readBytes()

    private fun model(line: List<String>): ModelCase {
        val (_, file, logits, values) = line
        return ModelCase(folder.resolve(file), read(logits).integers().chunked(values.toInt()))
    }

    private fun camera(line: List<String>, planes: List<List<String>>): CameraCase {
        val bytes = read(line[1])
        val camera = CameraFrame(
            format = PixelFormat.valueOf(line[3].uppercase()),
            planes = planes.map { plane(bytes, it) },
            width = line[4].toUShort(),
            height = line[5].toUShort(),
            rotationDegrees = line[6].toInt(),
            mirrored = line[7] == "1",
            matrix = Matrix.valueOf(line[8].uppercase()),
            range = Range.valueOf(line[9].uppercase()),
        )
        return CameraCase(line[1], camera, read(line[2]))
    }

    private fun plane(bytes: ByteArray, line: List<String>): Plane {
        val (offset, length, row, pixel) = line.drop(1).map { it.toInt() }
        return Plane(bytes.copyOfRange(offset, offset + length), row.toUInt(), pixel.toUInt())
    }
}

private fun ByteArray.parts(bytes: Int) = List(size / bytes) { copyOfRange(it * bytes, (it + 1) * bytes) }

private fun ByteArray.integers(): List<Int> {
    val integers = ByteBuffer.wrap(this).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer()
    return List(integers.limit()) { integers[it] }
}
