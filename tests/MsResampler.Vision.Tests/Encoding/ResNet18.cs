using Google.Protobuf;
using MsResampler.Onnx.Proto;

namespace MsResampler.Vision.Tests.Encoding;

/// <summary>ResNet18 with trained weights, as ML.NET ships it: its preprocessing (BGR, minus the mean image) in front,
/// and an intermediate map as a second output.</summary>
internal static class ResNet18
{
    /// <summary>The output of the last stage, [1, 512, 7, 7].</summary>
    public const string LastMap = "ReLU393_Output_0";

    /// <summary>The output of the stage before it, [1, 256, 14, 14].</summary>
    public const string MiddleMap = "ReLU339_Output_0";

    /// <summary>The mean of the last map over its positions, [1, 512, 1, 1].</summary>
    public const string Pooled = "Pooling395_Output_0";

    /// <summary>The values from 0 to 255 of 224x224 pixels.</summary>
    public static ImagePreprocessing Preprocessing { get; } = new()
    {
        Resize = ResizeRule.Exact(224, 224),
        Resampling = Resampling.Bilinear,
        RescaleFactor = 1,
        Mean = new ChannelValues(0),
        Std = new ChannelValues(1),
    };

    /// <summary>Loads the encoder, or skips the test.</summary>
    /// <param name="output">The output to read.</param>
    public static VisionEncoder LoadOrSkip(string output) => VisionEncoder.Load(BytesOrSkip(LastMap, MiddleMap),
        new VisionEncoderOptions { Preprocessing = Preprocessing, OutputName = output });

    /// <summary>The model as ONNX, or skips the test.</summary>
    /// <param name="maps">The names of the outputs beside the pooled one.</param>
    public static byte[] BytesOrSkip(params string[] maps)
    {
        ModelProto model = Read("ResNet18.onnx");
        GraphProto preprocessing = Read("ResNetPreprocess.onnx").Graph;
        string pixels = model.Graph.Input[0].Name;
        NodeProto last = preprocessing.Node[^1];
        last.Output[0] = pixels;
        for (int index = 0; index < preprocessing.Node.Count; index++)
            model.Graph.Node.Insert(index, preprocessing.Node[index]);
        model.Graph.Initializer.Add(preprocessing.Initializer);
        model.Graph.Input[0] = preprocessing.Input[0];
        foreach (string map in maps)
            model.Graph.Output.Add(new ValueInfoProto { Name = map, Type = FloatType });
        return model.ToByteArray();
    }

    private static TypeProto FloatType => new()
    {
        TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float },
    };

    private static ModelProto Read(string name)
        => ModelProto.Parser.ParseFrom(File.ReadAllBytes(VisionData.PathOrSkip(name)));
}
