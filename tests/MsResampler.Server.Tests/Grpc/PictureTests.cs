using System.Buffers.Binary;
using Google.Protobuf;
using Grpc.Core;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Hosting;
using MsResampler.Vision;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Pictures over gRPC, for a model with an encoder.</summary>
internal sealed class PictureTests : GrpcFixture
{
    private static readonly byte[][] s_pictures
        = [TestImages.Png(20, 24, 1), TestImages.Png(40, 16, 2), TestImages.Png(16, 16, 3)];

    private string _encoder = "";

    [Test]
    public async Task Typed_pictures_give_the_bits_of_the_library()
    {
        ModelInferRequest request = Declare();
        request.Inputs[0].Contents = new InferTensorContents
        {
            BytesContents = { s_pictures.Select(picture => ByteString.CopyFrom(picture)) },
        };
        await HasTheBitsOfTheLibraryAsync(request);
    }

    [Test]
    public async Task Raw_pictures_give_the_bits_of_the_library()
    {
        ModelInferRequest request = Declare();
        request.RawInputContents.Add(ByteString.CopyFrom([.. s_pictures.SelectMany(WithLength)]));
        await HasTheBitsOfTheLibraryAsync(request);
    }

    [Test]
    public async Task A_damaged_picture_is_an_error_with_its_number()
    {
        ModelInferRequest request = Declare();
        request.Inputs[0].Contents = new InferTensorContents
        {
            BytesContents = { ByteString.CopyFrom(s_pictures[0]), ByteString.CopyFrom(s_pictures[1][..50]),
                ByteString.CopyFrom(s_pictures[2]) },
        };
        await FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.InvalidArgument, "image 1");
    }

    [Test]
    public async Task Raw_bytes_that_end_within_a_picture_are_an_error()
    {
        ModelInferRequest request = Declare();
        byte[] bytes = [.. s_pictures.SelectMany(WithLength)];
        request.RawInputContents.Add(ByteString.CopyFrom(bytes[..^1]));
        await FailsAsync(async () => await Client.ModelInferAsync(request), StatusCode.InvalidArgument, "'image'");
    }

    protected override void Configure(ServerSettings settings)
    {
        _encoder = new SmallVit { ChannelCount = Config.VisionHiddenSize }.WriteTo(Folder.File("encoder"));
        settings.Models[ModelName].Encoder = _encoder;
    }

    private async Task HasTheBitsOfTheLibraryAsync(ModelInferRequest request)
    {
        ModelInferResponse answer = await Client.ModelInferAsync(request);
        using VisionEncoder encoder = VisionEncoder.Load(_encoder, new VisionEncoderOptions { ThreadCount = 1 });
        float[] expected = [.. s_pictures.SelectMany(picture =>
        {
            using EncodedImages encoded = encoder.Encode(ImageInput.FromBytes(picture));
            return Library.Resample(encoded.Features(0), encoded.Grid);
        })];
        Assert.That(Numbers<float>(answer.RawOutputContents[0]), Is.EqualTo(expected));
    }

    private static ModelInferRequest Declare() => new()
    {
        ModelName = ModelName,
        Inputs =
        {
            new ModelInferRequest.Types.InferInputTensor
            {
                Name = "image", Datatype = "BYTES", Shape = { s_pictures.Length },
            },
        },
    };

    private static byte[] WithLength(byte[] picture)
    {
        byte[] bytes = new byte[4 + picture.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, picture.Length);
        picture.CopyTo(bytes, 4);
        return bytes;
    }
}
