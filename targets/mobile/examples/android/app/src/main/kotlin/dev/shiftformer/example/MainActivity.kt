package dev.shiftformer.example

import android.Manifest
import android.content.Context
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.compose.setContent
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.setValue
import dev.shiftformer.Model

class MainActivity : ComponentActivity() {
    private val classifier by lazy { Classifier(openModel()) }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContent { MaterialTheme { WithCamera { LiveLabels(classifier) } } }
    }
}

/** The model among the app's assets, mapped where it lies in the package. */
private fun Context.openModel(): Model = assets.openFd("model.shf").use { asset ->
    Model.fromDescriptor(
        descriptor = asset.parcelFileDescriptor.fd,
        offset = asset.startOffset.toULong(),
        length = asset.length.toULong(),
    )
}

/** Shows `content` once the app may use the camera. */
@Composable
private fun WithCamera(content: @Composable () -> Unit) {
    var allowed by remember { mutableStateOf(false) }
    val request = rememberLauncherForActivityResult(RequestPermission()) { allowed = it }
    LaunchedEffect(Unit) { request.launch(Manifest.permission.CAMERA) }
    if (allowed) content() else Text("This app needs the camera.")
}
