//! GLSL to SPIR-V, by glslang.

use glslang::{
    Compiler, CompilerOptions, ShaderInput, ShaderMessage, ShaderSource, ShaderStage, SourceLanguage,
    SpirvVersion, Target, VulkanVersion,
};

/// Whether [`compile`] compiles.
pub const IS_HERE: bool = true;

/// The words of the compute shader `text`.
pub fn compile(text: String) -> Result<Vec<u32>, String> {
    let source = ShaderSource::try_from(text).map_err(|error| error.to_string())?;
    // The least that cooperative matrices ask for.
    let target = Target::Vulkan { version: VulkanVersion::Vulkan1_2, spirv_version: SpirvVersion::SPIRV1_5 };
    let options = CompilerOptions {
        source_language: SourceLanguage::GLSL,
        target,
        version_profile: None,
        messages: ShaderMessage::DEFAULT,
    };
    let defines = None::<&[(&str, Option<&str>)]>;
    let input = ShaderInput::new(&source, ShaderStage::Compute, &options, defines, None);
    let compiler = Compiler::acquire().ok_or("glslang does not start")?;
    let shader = compiler.create_shader(input.map_err(|error| error.to_string())?);
    shader.and_then(|shader| shader.compile()).map_err(|error| error.to_string())
}
