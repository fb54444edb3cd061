/**
 * Checks the Kotlin classes on a JVM: everything that they compute equals what the reference made
 * of the same frames, and what goes wrong is an exception that says so.
 */
package dev.shiftformer.test

import dev.shiftformer.CameraFrame
import dev.shiftformer.Engine
import dev.shiftformer.Model
import dev.shiftformer.PixelFormat
import dev.shiftformer.Plane
import dev.shiftformer.Session
import dev.shiftformer.SessionOptions
import dev.shiftformer.ShiftformerException
import dev.shiftformer.example.Classifier
import java.io.File
import kotlin.concurrent.thread
import kotlin.math.abs
import kotlin.math.exp

fun main(arguments: Array<String>) {
    val cases = Cases(File(arguments.single()))
    check(cases.models.isNotEmpty() && cases.cameras.isNotEmpty()) { "the folder holds no case" }
    for (case in cases.models) {
        Model.open(case.file.path).use { model ->
            logits(model, cases, case)
            batch(model, cases, case)
            labels(model, cases, case)
            cancel(model, cases)
        }
    }
    Model.open(cases.models.first().file.path).use { model ->
        cameras(model, cases)
        pictures(model, cases)
        mistakes(model, cases)
    }
    closing(cases)
    example(cases)
}

/** Every logit of every frame, on the processor and on the reference. */
private fun logits(model: Model, cases: Cases, case: ModelCase) {
    for ((engine, count) in listOf(Engine.CPU to cases.frames.size, Engine.REFERENCE to 10)) {
        model.session(SessionOptions(engine = engine, threads = 1u)).use { session ->
            for ((frame, expected) in cases.frames.zip(case.logits).take(count)) {
                session.run(frame).use { same(it.values(), expected, "logits of ${case.file.name}") }
            }
            val values = count * case.logits.first().size
            println("${case.file.name}, ${session.backend()} ${session.kernels()}: $count frames, $values logits equal")
        }
    }
}

/** All frames at once. */
private fun batch(model: Model, cases: Cases, case: ModelCase) {
    model.session().use { session ->
        val answers = session.runBatch(cases.frames)
        same(answers.map { it.values() }, case.logits, "logits of a batch")
        answers.forEach { it.close() }
    }
}

/** The best classes have names and shares, and the first is that of the largest logit. */
private fun labels(model: Model, cases: Cases, case: ModelCase) {
    val names = model.labels()
    same(names.size, case.logits.first().size, "labels")
    model.session().use { session ->
        for ((frame, logits) in cases.frames.zip(case.logits).take(100)) {
            session.run(frame).use { answer ->
                val order = logits.indices.sortedByDescending { logits[it] }
                val top = answer.top(3u)
                same(top.map { it.classIndex.toInt() }, order.take(3), "best classes")
                same(top.map { it.label }, order.take(3).map { names[it] }, "names of the best classes")
                same(top.map { it.logit }, order.take(3).map { logits[it] }, "logits of the best classes")
                same(answer.best(), top.first().classIndex, "best class")
                val reals = logits.map { it * answer.scale() }
                near(answer.ended(), reals, "real values")
                near(top.map { it.probability }, order.take(3).map { shares(reals)[it] }, "shares of the best classes")
                check(answer.timings().runNanoseconds > 0u) { "a run took no time" }
            }
        }
    }
}

/** A run stops when another thread says so, and the session runs on afterwards. */
private fun cancel(model: Model, cases: Cases) {
    model.session(SessionOptions(engine = Engine.REFERENCE, threads = 1u)).use { session ->
        var outcome: Result<Any>? = null
        val runner = thread { outcome = runCatching { session.runBatch(cases.frames) } }
        while (runner.isAlive) {
            session.cancel()
            Thread.sleep(1)
        }
        val error = outcome?.exceptionOrNull()
        check(error is ShiftformerException.Cancelled) { "a cancelled run ended in $error" }
        session.run(cases.frames.first()).use { check(it.best() != null) }
    }
}

/** What cameras deliver, against the logits of the frame that it becomes. */
private fun cameras(model: Model, cases: Cases) {
    model.session().use { session ->
        for (case in cases.cameras) {
            val expected = session.run(case.frame).use { it.values() }
            session.runCamera(case.camera).use { same(it.values(), expected, "logits of ${case.name}") }
        }
    }
    println("${cases.cameras.size} camera frames: logits equal")
}

/** A picture of the model's own size is the model's frame. */
private fun pictures(model: Model, cases: Cases) {
    val image = checkNotNull(model.image()) { "the model takes an image" }
    same(model.frameLen().toInt(), image.height.toInt() * image.width.toInt() * image.channels.toInt(), "bytes")
    model.session().use { session ->
        for (frame in cases.frames.take(10)) {
            val expected = session.run(frame).use { it.values() }
            session.runPicture(frame, image.height, image.width, image.channels).use {
                same(it.values(), expected, "logits of a picture")
            }
        }
    }
}

/** What goes wrong is an exception of its kind, with what is wrong and what to do. */
private fun mistakes(model: Model, cases: Cases) {
    val frame = cases.frames.first()
    refused<ShiftformerException.Open>("no file") { Model.open("/no/such/model.shf") }
    refused<ShiftformerException.Open>("no model") { Model.fromBytes("noise", frame) }
    refused<ShiftformerException.Open>("no descriptor") { Model.fromDescriptor(-1, 0u, 16u) }
    refused<ShiftformerException.Prepare>("no kernels") { model.session(SessionOptions(kernels = "none")) }
    model.session().use { session ->
        refused<ShiftformerException.Run>("short frame") { session.run(frame.copyOf(frame.size - 1)) }
        refused<ShiftformerException.Picture>("short picture") { session.runPicture(frame, 100u, 100u, 3u) }
        refused<ShiftformerException.Picture>("short plane") { session.runCamera(camera(frame, 0)) }
        refused<ShiftformerException.Picture>("odd turn") { session.runCamera(camera(frame, 45)) }
        session.run(frame).use { answer ->
            refused<ShiftformerException.Output>("no output") { answer.values(7u) }
        }
    }
    gpu(model, cases)
}

private fun camera(bytes: ByteArray, degrees: Int) =
    CameraFrame(PixelFormat.RGBA, listOf(Plane(bytes, 4000u)), 1000u, 1000u, degrees)

/** A build without a GPU runs on the processor, and says why. */
private fun gpu(model: Model, cases: Cases) {
    model.session(SessionOptions(engine = Engine.GPU)).use { session ->
        check(session.fallback().isNullOrBlank().not()) { "the processor takes over without a reason" }
        same(session.run(cases.frames.first()).values(), cases.models.first().logits.first(), "logits")
    }
}

/** A session and its answers outlive the model; what is closed is refused. */
private fun closing(cases: Cases) {
    val case = cases.models.first()
    val model = Model.fromBytes("bytes", case.file.readBytes())
    val session: Session = model.session()
    model.close()
    val answer = session.run(cases.frames.first())
    session.close()
    same(answer.values(), case.logits.first(), "logits of a closed model")
    answer.close()
    check(runCatching { model.name() }.exceptionOrNull() is IllegalStateException) { "a closed model answers" }
    check(runCatching { session.backend() }.exceptionOrNull() is IllegalStateException) { "a closed session answers" }
}

/** The class of the example for Android that needs no Android. */
private fun example(cases: Cases) {
    Classifier(Model.open(cases.models.first().file.path)).use { classifier ->
        for (case in cases.cameras) {
            val shown = classifier.classify(case.camera)
            same(shown.guesses.size, 3, "guesses")
            check(shown.guesses.first().name in classifier.names) { "a guess has no name of the model" }
            check(shown.milliseconds > 0) { "a guess took no time" }
        }
    }
}

private inline fun <reified E : ShiftformerException> refused(what: String, attempt: () -> Any) {
    val error = runCatching(attempt).exceptionOrNull()
    check(error is E) { "$what: expected ${E::class.java.simpleName}, got $error" }
    check(error.reason().isNotBlank() && error.hint().isNotBlank()) { "$what: the exception says nothing" }
    check(error.reason() in error.message.orEmpty()) { "$what: the exception has no message" }
}

/** The softmax. */
private fun shares(reals: List<Float>): List<Float> {
    val powers = reals.map { exp(it - reals.max()) }
    return powers.map { it / powers.sum() }
}

private fun near(found: List<Float>, expected: List<Float>, what: String) = check(
    found.size == expected.size && found.zip(expected).all { (one, other) -> abs(one - other) < 1e-5f },
) { "$what differ: $found instead of $expected" }

private fun <T> same(found: T, expected: T, what: String) =
    check(found == expected) { "$what differ: $found instead of $expected" }
