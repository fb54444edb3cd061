plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
    id("org.jetbrains.kotlin.plugin.compose")
}

android {
    namespace = "dev.shiftformer.example"
    compileSdk = 36

    defaultConfig {
        applicationId = "dev.shiftformer.example"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    // The model is mapped into memory where it lies in the app's package: it must not be compressed.
    androidResources {
        noCompress += "shf"
    }

    buildFeatures {
        compose = true
    }
}

dependencies {
    implementation(files("../../../../../target/mobile/shiftformer.aar"))
    implementation("net.java.dev.jna:jna:5.17.0@aar")

    implementation("androidx.activity:activity-compose:1.11.0")
    implementation("androidx.camera:camera-camera2:1.5.0")
    implementation("androidx.camera:camera-lifecycle:1.5.0")
    implementation("androidx.camera:camera-view:1.5.0")
    implementation(platform("androidx.compose:compose-bom:2025.09.00"))
    implementation("androidx.compose.material3:material3")
}
