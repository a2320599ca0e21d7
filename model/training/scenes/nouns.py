"""What stands in scenes: drawings with a plain noun in English and in Chinese, its plural and its measure word.

The names are written for this, after Unicode CLDR's: a name of several words, of a face alone or of a pose is not here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A thing: the hexadecimal code of its emoji, and how it is named.

    tinted: whether its drawings come in each of the colours; then a caption says which.
    """

    code: str
    one: str
    many: str
    chinese: str
    measure: str
    tinted: bool = False

    @property
    def article(self) -> str:
        """The indefinite one."""
        return "an" if self.one[0] in "aeio" or self.one == "umbrella" else "a"


_ROWS = """
1f415 dog dogs 狗 只
1f408 cat cats 猫 只
1f40e horse horses 马 匹
1f404 cow cows 奶牛 头
1f416 pig pigs 猪 头
1f418 elephant elephants 大象 头
1f405 tiger tigers 老虎 只
1f407 rabbit rabbits 兔子 只
1f43c panda pandas 熊猫 只
1f412 monkey monkeys 猴子 只
1f438 frog frogs 青蛙 只
1f422 turtle turtles 乌龟 只
1f40d snake snakes 蛇 条
1f986 duck ducks 鸭子 只
1f427 penguin penguins 企鹅 只
1f989 owl owls 猫头鹰 只
1f413 rooster roosters 公鸡 只
1f40b whale whales 鲸鱼 头
1f419 octopus octopuses 章鱼 只
1f980 crab crabs 螃蟹 只
1f40c snail snails 蜗牛 只
1f41d bee bees 蜜蜂 只
1f98b butterfly butterflies 蝴蝶 只 tinted
1f41e ladybug ladybugs 瓢虫 只
1f33b sunflower sunflowers 向日葵 朵
1f339 rose roses 玫瑰 朵
1f337 tulip tulips 郁金香 朵 tinted
1f335 cactus cacti 仙人掌 棵
1f332 tree trees 树 棵
1f344 mushroom mushrooms 蘑菇 个 tinted
1f34e apple apples 苹果 个 tinted
1f34c banana bananas 香蕉 根
1f34b lemon lemons 柠檬 个
1f353 strawberry strawberries 草莓 颗
1f34d pineapple pineapples 菠萝 个
1f955 carrot carrots 胡萝卜 根
1f345 tomato tomatoes 西红柿 个
1f346 eggplant eggplants 茄子 个
1f95a egg eggs 鸡蛋 个
1f354 hamburger hamburgers 汉堡 个
1f355 pizza pizzas 披萨 块
1f369 doughnut doughnuts 甜甜圈 个
1f382 cake cakes 蛋糕 个
1f697 car cars 汽车 辆 tinted
1f68c bus buses 公交车 辆
1f69c tractor tractors 拖拉机 辆
1f6b2 bicycle bicycles 自行车 辆
2708 airplane airplanes 飞机 架
1f680 rocket rockets 火箭 枚
1f681 helicopter helicopters 直升机 架
26f5 sailboat sailboats 帆船 艘
1f3e0 house houses 房子 座
1f3f0 castle castles 城堡 座
26fa tent tents 帐篷 顶
2b50 star stars 星星 颗
2601 cloud clouds 云 朵
2602 umbrella umbrellas 雨伞 把 tinted
26c4 snowman snowmen 雪人 个
26bd football footballs 足球 个
1f3c0 basketball basketballs 篮球 个
1f388 balloon balloons 气球 个 tinted
1f381 gift gifts 礼物 份
1f3c6 trophy trophies 奖杯 个
1f511 key keys 钥匙 把
1f514 bell bells 铃铛 个
1f451 crown crowns 皇冠 顶
1f455 shirt shirts 衬衫 件 tinted
1f457 dress dresses 裙子 条 tinted
1f392 backpack backpacks 书包 个 tinted
1f3b8 guitar guitars 吉他 把
1f941 drum drums 鼓 面
1f4f7 camera cameras 相机 台
1f56f candle candles 蜡烛 支
1f4a1 bulb bulbs 灯泡 个
1f528 hammer hammers 锤子 把
1f6aa door doors 门 扇
1f4d6 book books 书 本
"""


def _noun(row: str) -> Noun:
    code, one, many, chinese, measure, *more = row.split()
    return Noun(code, one, many, chinese, measure, bool(more))


NOUNS = tuple(map(_noun, _ROWS.strip().splitlines()))

# Of tinted things: English, Chinese, and the hue in turns from red.
COLOURS = (("red", "红", 0.0), ("yellow", "黄", 0.14), ("green", "绿", 0.36), ("blue", "蓝", 0.6))
