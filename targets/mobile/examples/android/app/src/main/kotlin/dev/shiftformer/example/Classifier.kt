package dev.shiftformer.example

import dev.shiftformer.CameraFrame
import dev.shiftformer.Model

/** A class that the model considers, with its share in percent. */
data class Guess(val name: String, val percent: Float)

/** What is shown of one frame. */
data class Shown(val guesses: List<Guess>, val milliseconds: Float)

/** Tells what a camera sees. It owns its model. */
class Classifier(private val model: Model) : AutoCloseable {
    private val session = model.session()

    /** The classes that the model knows. */
    val names: List<String> = model.labels()

    /** The three best classes of one frame of the camera. */
    fun classify(frame: CameraFrame): Shown = session.runCamera(frame).use { answer ->
        val guesses = answer.top(3u).map { best ->
            Guess(best.label ?: "class ${best.classIndex}", 100 * best.probability)
        }
        val timings = answer.timings()
        Shown(guesses, (timings.prepareNanoseconds + timings.runNanoseconds).toFloat() / 1e6f)
    }

    override fun close() {
        session.close()
        model.close()
    }
}
