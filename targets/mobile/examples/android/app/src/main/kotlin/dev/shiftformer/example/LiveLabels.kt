package dev.shiftformer.example

import androidx.camera.core.ImageAnalysis
import androidx.camera.view.CameraController
import androidx.camera.view.LifecycleCameraController
import androidx.camera.view.PreviewView
import androidx.compose.foundation.background
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.DisposableEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.platform.LocalContext
import androidx.compose.ui.unit.dp
import androidx.compose.ui.viewinterop.AndroidView
import androidx.lifecycle.compose.LocalLifecycleOwner
import java.util.concurrent.Executors

/** The camera's picture, and over it what [classifier] sees. */
@Composable
fun LiveLabels(classifier: Classifier) {
    val context = LocalContext.current
    val owner = LocalLifecycleOwner.current
    var shown by remember { mutableStateOf<Shown?>(null) }
    val controller = remember { LifecycleCameraController(context) }

    DisposableEffect(owner) {
        val worker = Executors.newSingleThreadExecutor()
        controller.setEnabledUseCases(CameraController.IMAGE_ANALYSIS)
        controller.imageAnalysisBackpressureStrategy = ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST
        controller.setImageAnalysisAnalyzer(worker) { picture ->
            shown = picture.use { classifier.classify(it.toCameraFrame()) }
        }
        controller.bindToLifecycle(owner)
        onDispose {
            controller.unbind()
            worker.shutdown()
        }
    }

    Box(Modifier.fillMaxSize()) {
        AndroidView(
            factory = { PreviewView(it).apply { this.controller = controller } },
            modifier = Modifier.fillMaxSize(),
        )
        shown?.let { Labels(it, Modifier.align(Alignment.BottomCenter)) }
    }
}

@Composable
private fun Labels(shown: Shown, modifier: Modifier) {
    Column(modifier.fillMaxWidth().background(Color.Black.copy(alpha = 0.6f)).padding(24.dp)) {
        for (guess in shown.guesses) {
            Text("%s  %.1f %%".format(guess.name, guess.percent), color = Color.White)
        }
        Text("%.1f ms".format(shown.milliseconds), color = Color.LightGray)
    }
}
